package report

// A drawing is boxes and arrows on a sheet of 180 units' width, drawn the same on
// a page and in a PDF. Alt is what it shows, for those who do not see it.
type drawing struct {
	High   float64
	Alt    string
	Boxes  []box
	Arrows []arrow
}

// A box has its text in lines, the first one bold.
type box struct {
	X, Y, W, H float64
	Lines      []string
	Kind       string // key, party, device or open
}

// An arrow goes from one place to another; Text stands over its middle.
type arrow struct {
	X1, Y1, X2, Y2 float64
	Text           string
	Weak           bool // thin and grey: it relates, nothing moves
}

// keysDrawing is who signs for whom, and what a device holds.
func keysDrawing() *drawing {
	d := &drawing{High: 94, Alt: "The Root OCA signs the Issuing OCA, which signs the certificates of supplier, network operator, Access Control Broker, " +
		"change of supplier service, WAN provider and Recovery key. A device has cells for each of these and for the root, and none for the Issuing OCA."}
	d.Boxes = append(d.Boxes,
		box{60, 2, 60, 15, []string{"Root OCA", "Contingency key locked inside"}, "key"},
		box{65, 25, 50, 11, []string{"Issuing OCA"}, "key"},
		box{1, 76, 178, 16, []string{"A device on the wall", "a cell for each of these keys, and one for the root; none for the Issuing OCA"}, "device"},
	)
	d.Arrows = append(d.Arrows, arrow{90, 17, 90, 25, "", false})
	for i, lines := range [][]string{
		{"Supplier", "three keys"}, {"Network", "operator", "two keys"}, {"Access", "Control", "Broker"}, {"Change of", "supplier"}, {"WAN", "provider", "hubs only"}, {"Recovery", "key", "in shares"},
	} {
		x := 1 + 30.2*float64(i)
		kind := "party"
		if i == 5 {
			kind = "key"
		}
		d.Boxes = append(d.Boxes, box{x, 46, 27, 18, lines, kind})
		d.Arrows = append(d.Arrows, arrow{90, 36, x + 13.5, 46, "", false}, arrow{x + 13.5, 64, x + 13.5, 76, "", true})
	}
	return d
}

// methodsDrawing is how a new key gets on a device, method by method.
func methodsDrawing() *drawing {
	d := &drawing{High: 96, Alt: "Method 1: the organisation signs the change with the key that was lost. Method 2: custodians open the Recovery key, the DCC puts the broker's keys in, " +
		"and the broker later hands over to the organisation's new keys. Method 3: custodians open the Recovery key and the DCC puts the new keys in at once. " +
		"Contingency: custodians open the Contingency key and everything on the device is replaced, the root with it."}
	row := func(y float64, name string, steps ...[]string) {
		d.Boxes = append(d.Boxes, box{1, y, 27, 16, []string{name}, "open"})
		wide := (151 - 6*float64(len(steps)-1)) / float64(len(steps))
		for i, lines := range steps {
			x := 29 + float64(i)*(wide+6)
			kind := "party"
			switch {
			case i == len(steps)-1:
				kind = "device"
			case lines[0] == "Custodians":
				kind = "key"
			}
			d.Boxes = append(d.Boxes, box{x, y, wide, 16, lines, kind})
			if i > 0 {
				d.Arrows = append(d.Arrows, arrow{x - 6, y + 8, x, y + 8, "", false})
			}
		}
	}
	row(2, "Method 1", []string{"The organisation", "signs with the lost key"}, []string{"Broker", "adds its seal"}, []string{"Device", "new keys are in"})
	row(27, "Method 2", []string{"Custodians", "open Recovery"}, []string{"DCC", "broker's keys in"}, []string{"Broker", "hands over"}, []string{"Device", "new keys are in"})
	row(52, "Method 3", []string{"Custodians", "open Recovery"}, []string{"DCC", "signs the change"}, []string{"Device", "new keys are in"})
	row(77, "Contingency", []string{"Custodians", "open Contingency"}, []string{"DCC", "new root, new keys"}, []string{"Device", "all is replaced"})
	return d
}
