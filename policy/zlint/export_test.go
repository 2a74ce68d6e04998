package zlint

// Excluded is the list of lints that are left out.
var Excluded = excluded
