package core

import "testing"

// BenchmarkInstance is what the first of 64 clients costs.
func BenchmarkInstance(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		client := open(b, config)
		client.Close()
	}
}
