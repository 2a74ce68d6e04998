package words

// List gives tests the words in order.
func List() []string { return append([]string(nil), table...) }

// Distance gives tests the number of changed letters between two words.
func Distance(a, b string) int { return distance(a, b) }
