package cfsslapi

// ParseSerial is what reads cfssl's serial numbers.
var ParseSerial = parseSerial
