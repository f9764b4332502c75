package publisher

import "encoding/binary"

// PartitionFor returns the partition of key among n, as Java's default partitioner does: toPositive(murmur2(key)) % n, where
// toPositive clears the sign bit. A key, also an empty one, always goes to the same partition while n stays. It returns 0 for n < 1.
func PartitionFor(key []byte, n int) int {
	if n < 1 {
		return 0
	}
	return int(murmur2(key)&0x7fffffff) % n
}

// murmur2 is Austin Appleby's 32-bit MurmurHash2 with the seed that Kafka's clients share (org.apache.kafka.common.utils.Utils).
func murmur2(data []byte) uint32 {
	const (
		seed = 0x9747b28c
		mul  = 0x5bd1e995
		rot  = 24
	)
	h := uint32(seed) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * mul
		k ^= k >> rot
		h = h*mul ^ k*mul
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * mul
	}
	h ^= h >> 13
	h *= mul
	return h ^ h>>15
}
