package simulate

// phrases are what people say here, each as it stands inside a JSON string.
func phrases() []string {
	return []string{
		"hello, how are you?", "ok", "see you at eight then", "who is bringing the cake?", "👍", "送礼物 🎁", "大家好，今天的会议改到三点",
		"the build is green again", "sorry, I was on the train, what did I miss?", "lunch?", "こんにちは", "привет всем",
		"has anyone seen the blue umbrella that I left in the meeting room on Tuesday evening?",
		"that is exactly what I said yesterday, and nobody believed me", "haha 😂😂", "brb", "can we move this to the other group, please",
		"I have read the whole thread twice now and still think that we should wait for Monday before we decide anything",
		"مرحبا", "¿a qué hora empieza?", "one\\ntwo\\nthree", "he said \\\"maybe\\\"", "100 % sure", "left, then right, then left again; the door is green",
		"please vote until tonight: A for the lake, B for the mountains, C for staying at home with a book and a pot of tea",
	}
}

// A dice gives small random decisions from one number (splitmix64), so that a
// body follows from its message alone.
type dice uint64

// roll returns a number below n.
func (d *dice) roll(n int) int {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int(((z ^ z>>31) >> 1) % uint64(n))
}

// appendPhrases appends one to three phrases, escaped for a JSON string.
func (d *dice) appendPhrases(b []byte) []byte {
	all := phrases()
	for i := range 1 + d.roll(3) {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, all[d.roll(len(all))]...)
	}
	return b
}
