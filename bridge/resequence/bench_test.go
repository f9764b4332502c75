package resequence

import (
	"encoding/binary"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// benchKey returns the key of stream n, spread as a hash would be.
func benchKey(n int) (key Key) {
	binary.LittleEndian.PutUint64(key[:8], uint64(n)*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(key[8:], uint64(n)*0xd6e8feb86659fd93)
	return key
}

func benchItem(stream int, seq uint64) Item[*int] {
	it := Item[*int]{Key: benchKey(stream), Seq: seq, Sequenced: true, MsgTime: 1000 + int64(seq/8), ReceivedAt: int64(seq), Size: 650}
	binary.LittleEndian.PutUint64(it.ID[:8], seq*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(it.ID[8:], uint64(stream))
	return it
}

// BenchmarkPushInOrder is the path of nearly all messages.
func BenchmarkPushInOrder(b *testing.B) {
	for _, streams := range []int{1, 100, 10000} {
		b.Run(strconv.Itoa(streams), func(b *testing.B) {
			buf := New[*int](Config{StateBytes: 1 << 30})
			warm := uint64(DefaultWindow + 1)
			var out []Decision[*int]
			for s := range streams {
				for seq := uint64(1); seq <= warm; seq++ {
					out = buf.Push(int64(seq), benchItem(s, seq), out[:0])
				}
			}
			seq := warm
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				if i%streams == 0 {
					seq++
				}
				out = buf.Push(int64(seq), benchItem(i%streams, seq), out[:0])
			}
		})
	}
}

// BenchmarkPushOneHeld is a stream where one number of each two is early: one
// waits, one fills.
func BenchmarkPushOneHeld(b *testing.B) {
	buf := New[*int](Config{Hold: Fixed, Fixed: time.Second})
	out := buf.Push(0, benchItem(0, 0), nil)
	seq := uint64(1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		out = buf.Push(int64(seq), benchItem(0, seq+uint64(1-i&1)-uint64(i&1)), out[:0])
		seq++
	}
}

// BenchmarkPushDuplicate searches the window.
func BenchmarkPushDuplicate(b *testing.B) {
	buf := New[*int](Config{})
	var out []Decision[*int]
	for seq := range uint64(5000) {
		out = buf.Push(0, benchItem(0, seq), out[:0])
	}
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		out = buf.Push(0, benchItem(0, 4000+i%1000), out[:0])
	}
}

// BenchmarkPushLate is the worst of them: unknown, so that all windows are
// searched, and remembered in a full one.
func BenchmarkPushLate(b *testing.B) {
	buf := New[*int](Config{})
	out := buf.Push(0, benchItem(0, 1<<40), nil)
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		out = buf.Push(0, benchItem(0, i), out[:0])
	}
}

// BenchmarkPushHeldBackwards fills a stream with as much as it may hold, the
// highest number first, and then frees all.
func BenchmarkPushHeldBackwards(b *testing.B) {
	buf := New[*int](Config{Hold: Fixed, Fixed: time.Second, StreamBytes: 1 << 30})
	out := buf.Push(0, benchItem(0, 0), nil)
	base := uint64(0)
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		out = buf.Push(int64(base), benchItem(0, base+1024-i%1024), out[:0])
		if i%1024 == 1023 {
			base += 1024
		}
	}
}

// BenchmarkDeadlines keeps 10,000 streams waiting: each step ends one wait and
// begins another.
func BenchmarkDeadlines(b *testing.B) {
	const streams = 10000
	buf := New[*int](Config{Hold: Fixed, Fixed: streams * time.Nanosecond})
	var out []Decision[*int]
	for s := range streams {
		out = buf.Push(0, benchItem(s, 0), out[:0])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		it := benchItem(i%streams, uint64(2*(i/streams)+2))
		it.ReceivedAt = int64(i)
		out = buf.Push(int64(i), it, out[:0])
		out = buf.Expire(int64(i), out[:0])
	}
}

// BenchmarkMillionStreams shows the memory of a million streams that were seen
// with one message, and with ten, and what the estimate says.
func BenchmarkMillionStreams(b *testing.B) {
	for _, messages := range []int{1, 10} {
		b.Run(strconv.Itoa(messages), func(b *testing.B) {
			for b.Loop() {
				const streams = 1_000_000
				before := heap()
				began := time.Now()
				buf := New[*int](Config{StateBytes: 1 << 32})
				var out []Decision[*int]
				for seq := range uint64(messages) {
					for s := range streams {
						out = buf.Push(0, benchItem(s, seq), out[:0])
					}
				}
				b.ReportMetric(float64(time.Since(began).Nanoseconds())/float64(messages*streams), "ns/push")
				began = time.Now()
				b.ReportMetric(float64(heap()-before)/streams, "B/stream")
				b.ReportMetric(float64(time.Since(began).Milliseconds())/2, "ms/gc")
				b.ReportMetric(float64(buf.Stats().StateBytes)/streams, "estimated-B/stream")
				began = time.Now()
				saved := 0
				if err := buf.Save(func(_ Key, state []byte) error { saved += len(state); return nil }); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(saved)/streams, "saved-B/stream")
				b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/save")
			}
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
