// Command compare measures this CA beside what a user would pick instead, on the same
// machine in the same run, and prints a Markdown table.
//
//	go run ./bench/compare                 # 5,000 certificates each, 64 clients
//	go run ./bench/compare -n 50000        # a batch of the size that SMKI allows
//
// All get the same requests: P-256 keys of devices, in the form of SMKI, made before
// the clock runs. Where a product can use the SoftHSM token it gets a key there of the
// same kind; where it cannot, a key in a file, and the table says so: a file key is
// faster. The table also says whether a certificate is on disk when it is answered, and
// what else is done for each, because products differ in that more than in speed.
//
// A product that is not installed has a row that says how to get it. Nothing is
// downloaded.
package main
