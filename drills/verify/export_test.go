package verify

// PlainJSON is plainJSON for the tests outside.
var PlainJSON = plainJSON
