// Package forecast says how long a recovery will take, method by method, before
// anyone decides on one.
//
// A committee that is asked for a key needs four figures: how many Relevant
// Devices there are, when most of them will be out of the wrong hands by each
// method, how many will never answer, and what would make another method the
// better one. The figures rest on assumptions, and the assumptions are the
// forecast: each has a low, a likely and a high value, a source, and can be
// changed by whoever knows better.
//
// Devices are counted, not simulated. The sending of commands to a region, the
// delay of an answer and the tries that follow are distributions whose sum has a
// closed form ([curve]), so that a hundred million devices cost no more than a
// hundred. Uncertainty is another matter: the whole is worked out for many
// draws of the assumptions, the same draws for every method, and each figure has
// a band from them.
//
// The package promises that the same [Input] and seed give the same [Forecast],
// that it forgets no assumption in what it prints, and that a limit said to bind
// was found by lifting it, not by comparing numbers. It refuses an assumption
// that is out of its bounds.
//
// It does not know scenarios, tokens or meters: the caller fills an [Estate]. A
// drill's own campaign obeys the same rules (three tries half an hour apart, one
// rate), so that a forecast of a drill can be held against its run.
//
// Start at [Run], then method.go (what each method waits for) and curve.go.
package forecast
