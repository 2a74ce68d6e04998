// Command scale fills a CA with made-up certificates and measures what must not
// grow with their number.
//
//	go run ./bench/scale                                       # 200,000, SQLite, a minute
//	go run ./bench/scale -certificates 10000000                # the country; 16 GB of disk
//	go run ./bench/scale -store postgres://USER@HOST/DATABASE  # an empty database
//
// It makes the CA in a folder of its own with bin/smki (make build) and removes it,
// unless -dir says where it is to be and stay; then a second run goes on with what is
// there. Everything is measured from outside, through bin/smki and HTTP, except the
// list: its time without the start of a process is taken in this process, by the
// code that smki serve runs, with the CA's key in its SoftHSM token.
//
// It prints a Markdown table of each figure with its aim and the facts of the
// machine, and exits 1 if an aim is missed.
package main
