package softhsm

// Absent ends a test as ForTest does where there is no SoftHSM.
var Absent = absent

// Hint says how to install SoftHSM.
var Hint = hint
