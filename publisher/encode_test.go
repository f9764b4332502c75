package publisher

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A batch by hand: two records, the second two milliseconds before the first, with a header, a null and an empty value.
func TestBatchIsKafkasFormatByteForByte(t *testing.T) {
	msgs := []Message{
		{Key: []byte("k"), Value: []byte("one"), Time: time.UnixMilli(1_700_000_000_005), Headers: []Header{{"h", []byte("v")}, {"n", nil}}},
		{Value: []byte{}, Time: time.UnixMilli(1_700_000_000_003)},
	}
	var f frame
	if err := f.encode(msgs, None, time.Time{}); err != nil {
		t.Fatal(err)
	}
	f.setIdentity(Identity{ProducerID: 7, Epoch: 1, Sequence: 42})
	want := strings.Join([]string{
		"00000056",         // length of the whole
		"0000000000000000", // base offset
		"0000004a",         // length
		"ffffffff",         // leader epoch
		"02",               // magic
		"3780d7aa",         // crc
		"0000",             // attributes
		"00000001",         // last offset delta
		"0000018bcfe56805", // base timestamp
		"0000018bcfe56805", // max timestamp
		"0000000000000007", // producer id
		"0001",             // epoch
		"0000002a",         // sequence
		"00000002",         // records
		"22",               // record of 17 bytes
		"00", "00", "00",   // attributes, time delta, offset delta
		"02" + "6b", "06" + "6f6e65", // key, value
		"04", "02" + "68", "02" + "76", "02" + "6e", "01", // headers
		"0c",             // record of 6 bytes
		"00", "03", "02", // attributes, -2 ms, offset delta
		"01", "00", // null key, empty value
		"00", // no headers
	}, "")
	got := hex.EncodeToString(f.buf)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEveryAttemptSendsIdenticalBytes(t *testing.T) {
	for codec := None; codec <= Zstd; codec++ {
		var f, g frame
		for _, fr := range []*frame{&f, &g} { // g: encoded anew, as after a restart
			if err := fr.encode(sample(50, 1), codec, time.Time{}); err != nil {
				t.Fatal(err)
			}
			fr.setIdentity(Identity{1, 2, 3})
		}
		first := bytes.Clone(f.buf)
		f.setIdentity(Identity{4, 5, 6})
		f.setIdentity(Identity{1, 2, 3})
		if !bytes.Equal(first, f.buf) || !bytes.Equal(first, g.buf) {
			t.Errorf("%s: the bytes differ", codec)
		}
	}
}

// sample makes n messages like chat events.
func sample(n int, seed uint64) []Message {
	r := rand.New(rand.NewPCG(seed, 0))
	msgs := make([]Message, n)
	for i := range msgs {
		msgs[i] = Message{
			Key:   fmt.Appendf(nil, "@TGS#%d", r.IntN(50)),
			Value: fmt.Appendf(nil, `{"schema":"chat.group-message/v1","id":"%x","text":"%s %d"}`, r.Uint64(), strings.Repeat("hello ", r.IntN(80)), r.Uint64()),
			Time:  time.UnixMilli(1_700_000_000_000 + r.Int64N(10_000)),
			Headers: []Header{
				{"ce_specversion", []byte("1.0")}, {"ce_type", []byte("com.tencent.chat.group.message.sent")},
				{"ce_sequence", fmt.Appendf(nil, "%010d", i)}, {"chatbridge-order", []byte("in-order")},
			},
		}
	}
	return msgs
}

// decodeAll reads a batch's records back.
func decodeAll(batch []byte) ([]Record, error) {
	v, rest, ok, err := cutBatch(batch)
	if err != nil || !ok || len(rest) != 0 {
		return nil, fmt.Errorf("cut: ok %t, %d bytes left, %w", ok, len(rest), err)
	}
	var list []Record
	var d decoder
	err = d.records(v, 0, func(r *Record) error {
		kept := *r
		kept.Headers = append([]Header(nil), r.Headers...)
		list = append(list, kept)
		return nil
	})
	return list, err
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	blob := rapid.Custom(func(t *rapid.T) []byte {
		if rapid.Bool().Draw(t, "null") {
			return nil
		}
		return rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes")
	})
	message := rapid.Custom(func(t *rapid.T) Message {
		m := Message{Key: blob.Draw(t, "key"), Value: blob.Draw(t, "value"), Time: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "time"))}
		for range rapid.IntRange(0, 4).Draw(t, "headers") {
			m.Headers = append(m.Headers, Header{rapid.String().Draw(t, "name"), blob.Draw(t, "header")})
		}
		return m
	})
	rapid.Check(t, func(t *rapid.T) {
		msgs := rapid.SliceOfN(message, 1, 40).Draw(t, "messages")
		codec := Compression(rapid.IntRange(0, int(Zstd)).Draw(t, "codec"))
		id := Identity{rapid.Int64Min(0).Draw(t, "pid"), rapid.Int16Min(0).Draw(t, "epoch"), rapid.Int32Min(0).Draw(t, "sequence")}
		var f frame
		if err := f.encode(msgs, codec, time.Time{}); err != nil {
			t.Fatal(err)
		}
		f.setIdentity(id)
		size := BatchOverhead
		for i := range msgs {
			size += EncodedSize(&msgs[i])
		}
		if len(f.batch()) > size {
			t.Fatalf("%d bytes, the bound is %d", len(f.batch()), size)
		}
		got, err := decodeAll(f.batch())
		if err != nil {
			t.Fatal(err)
		}
		want := make([]Record, len(msgs))
		for i, m := range msgs {
			want[i] = Record{Offset: int64(i), Time: m.Time, Key: m.Key, Value: m.Value, Headers: m.Headers,
				ProducerID: id.ProducerID, ProducerEpoch: id.Epoch, BaseSequence: id.Sequence, BatchRecords: len(msgs)}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestReadingMayBeginInTheMiddleOfABatch(t *testing.T) {
	for codec := None; codec <= Zstd; codec++ {
		var f frame
		if err := f.encode(sample(10, 1), codec, time.Time{}); err != nil {
			t.Fatal(err)
		}
		v, _, _, _ := cutBatch(f.batch())
		var d decoder
		var got []int64
		if err := d.records(v, 7, func(r *Record) error { got = append(got, r.Offset); return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int64{7, 8, 9}, got); diff != "" {
			t.Errorf("%s: %s", codec, diff)
		}
	}
}

// Every flipped bit of a batch is seen, or is in what the broker writes itself (offset, leader epoch).
func TestFlippedBitsAreSeen(t *testing.T) {
	var f frame
	if err := f.encode(sample(3, 1), LZ4, time.Time{}); err != nil {
		t.Fatal(err)
	}
	clean := f.batch()
	for i := range clean {
		if i < atLength || i >= atLeaderEpoch && i < atMagic {
			continue
		}
		bad := bytes.Clone(clean)
		bad[i] ^= 1 << (i % 8)
		if recs, err := decodeAll(bad); err == nil {
			t.Errorf("byte %d: %d records read without an error", i, len(recs))
		}
	}
}

func TestTruncatedBatchIsLeftForTheNextFetch(t *testing.T) {
	var f frame
	if err := f.encode(sample(3, 1), None, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for n := range f.batch() {
		if _, _, ok, err := cutBatch(f.batch()[:n]); ok || err != nil {
			t.Errorf("%d bytes: ok %t, %v", n, ok, err)
		}
	}
}

// P8: a size that is only announced takes no memory.
func TestAnnouncedSizesTakeNoMemory(t *testing.T) {
	for name, src := range map[string]string{
		"xerial block": xerialMagic + "\x00\x00\x00\x01\x00\x00\x00\x01" + "\xff\xff\xff\xf0" + "abc",
		"xerial cut":   xerialMagic + "\x00\x00",
		"length cut":   xerialMagic + "\x00\x00\x00\x01\x00\x00\x00\x01" + "\x00\x00",
		"framed":       xerialMagic + "\x00\x00\x00\x01\x00\x00\x00\x01" + "\x00\x00\x00\x06" + "\xff\xff\xff\xff\x0fa",
		"bare block":   "\xff\xff\xff\xff\x0fabc",
		"empty":        "",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Snappy.decompress([]byte(src), maxUnpacked)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 1<<20 {
			t.Errorf("%s: %v, %d bytes taken", name, err, took)
		}
	}
}

func TestWhatUnpacksToTooMuchIsRefused(t *testing.T) {
	for codec := Gzip; codec <= Zstd; codec++ {
		packed, err := codec.compress(nil, make([]byte, 10_000))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := codec.decompress(packed, 9_999); err == nil {
			t.Errorf("%s: it was unpacked", codec)
		}
		if plain, err := codec.decompress(packed, 10_000); err != nil || len(plain) != 10_000 {
			t.Errorf("%s: %d bytes, %v", codec, len(plain), err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for codec := None; codec <= Zstd; codec++ {
		var fr frame
		if err := fr.encode(sample(3, 1), codec, time.Time{}); err != nil {
			f.Fatal(err)
		}
		f.Add(fr.batch())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d decoder
		for {
			v, rest, ok, err := cutBatch(data)
			if err != nil || !ok {
				return
			}
			fixed := &frame{buf: append(make([]byte, frameLength), v.raw...)}
			fixed.setIdentity(v.identity()) // so that the checksum is no shelter
			if len(v.raw) < 1<<16 {
				_ = d.records(batchView{raw: fixed.batch()}, 0, func(r *Record) error {
					if r.Offset < v.baseOffset() || r.Offset >= v.next() {
						t.Errorf("offset %d outside the batch %d-%d", r.Offset, v.baseOffset(), v.next())
					}
					return nil
				})
			}
			data = rest
		}
	})
}

func FuzzFetchAnswer(f *testing.F) {
	f.Add(int16(10), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 'x', 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, version int16, data []byte) {
		r := fetchRequest{version: version}
		if res, err := r.parse(data); err == nil && len(res.batches) > len(data) {
			t.Error("more batches than bytes")
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	msgs := sample(500, 1)
	for codec := None; codec <= Zstd; codec++ {
		b.Run(codec.String(), func(b *testing.B) {
			var f frame
			b.ReportAllocs()
			for b.Loop() {
				if err := f.encode(msgs, codec, time.Time{}); err != nil {
					b.Fatal(err)
				}
				f.setIdentity(Identity{1, 2, 3})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(msgs)), "ns/record")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for codec := None; codec <= Zstd; codec++ {
		b.Run(codec.String(), func(b *testing.B) {
			var f frame
			if err := f.encode(sample(500, 1), codec, time.Time{}); err != nil {
				b.Fatal(err)
			}
			v, _, _, _ := cutBatch(f.batch())
			var d decoder
			b.ReportAllocs()
			for b.Loop() {
				if err := d.records(v, 0, func(*Record) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
		})
	}
}
