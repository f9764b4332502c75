package publisher

import (
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The vectors of the Java client's own test (UtilsTest.testMurmur2).
func TestMurmur2IsJavas(t *testing.T) {
	for key, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
}

func TestPartitionIsThatOfOtherClients(t *testing.T) {
	hasher := kgo.StickyKeyPartitioner(nil).ForTopic("x") // Kafka's own hashing
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		key := make([]byte, r.IntN(70))
		for i := range key {
			key[i] = byte(r.Uint32())
		}
		n := 1 + r.IntN(100)
		if got, want := PartitionFor(key, n), hasher.Partition(&kgo.Record{Key: key}, n); got != want {
			t.Fatalf("%x of %d: %d, want %d", key, n, got, want)
		}
	}
}

func TestPartitionOfNoPartitions(t *testing.T) {
	if got := PartitionFor([]byte("a"), 0); got != 0 {
		t.Errorf("got %d", got)
	}
}
