// Package scenario is the drill language: a rehearsal of the loss of a key,
// written so that a planner who has never programmed can read it aloud.
//
// A scenario is one YAML file. It says what the estate is, what must hold before
// anything happens, what the players are told and when, which body is asked
// what, what each answer opens and causes, and what should be true at the end.
// docs/drill-language.md explains every word; schema.json is its shape, for
// editors too.
//
// # What is checked
//
// [Parse] checks everything before a drill starts: the shape by JSON Schema; every
// reference to a decision, party, option, verb, parameter, body, recipient, step,
// factor and key; that each decision has its scripted answer and its answer to
// silence, and that silence opens no key; that every limit and every quorum can
// be met; and every condition, which is CEL, compiled and typed with the words in
// its quotes looked up. A Scenario that Parse returned cannot fail for want of a
// word in the sixth hour of an exercise.
//
// What is wrong comes back all at once as [Errors]. Each has file, line and
// column, says what is wrong and what would have been right.
//
// # What it does not know
//
// The package knows no CA, no device and no procedure. The words that act and the
// names that conditions may use come as a [Vocabulary] from whoever carries a
// drill out (drills/verbs), and so do bodies, steps and guidance, which are data
// of a procedure pack. [VocabularyTable] is a vocabulary as a planner reads it.
//
// # Two rules that are decisions of ours
//
// A `when` waits for the world and never for a decision: chosen belongs into the
// `if` beside it. Else an option that rules a condition out would end as "never
// came true", a finding against the system for what the committee decided.
//
// An entry that looks at a decision waits until that decision is final, also over
// an adjournment. What should happen meanwhile is a consequence of the option.
//
// Start reading at [Scenario] and [Parse]. [Format] writes a file in its one form.
package scenario
