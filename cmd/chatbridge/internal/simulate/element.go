package simulate

// elements appends the message's elements: mostly text, now and then one of the
// other kinds that Tencent's message format knows, alone or with a text.
func (w *bodyWriter) elements(m *message) {
	kind := int((m.shape >> 8) % 100)
	switch {
	case m.plain || kind < 74:
		w.textElement()
	case kind < 82:
		w.customElement()
		if kind%2 == 0 {
			w.text(`,`)
			w.textElement()
		}
	case kind < 88:
		w.imageElement()
	case kind < 93:
		w.text(`{"MsgContent":{"Data":"tt`).uint(uint64(w.dice.roll(100))).text(`","Index":`)
		w.uint(uint64(w.dice.roll(300))).text(`},"MsgType":"TIMFaceElem"}`)
	case kind < 95:
		w.text(`{"MsgContent":{"Download_Flag":2,"Second":`).uint(uint64(1 + w.dice.roll(60))).text(`,"Size":`)
		w.uint(uint64(1000 + w.dice.roll(90_000))).text(`,"UUID":"`).uuid().text(`","Url":"https://cos.example/sound/`)
		w.uuid().text(`"},"MsgType":"TIMSoundElem"}`)
	case kind < 97:
		w.text(`{"MsgContent":{"Download_Flag":2,"FileName":"notes-`).uint(uint64(w.dice.roll(100))).text(`.pdf","FileSize":`)
		w.uint(uint64(w.dice.roll(9_000_000))).text(`,"UUID":"`).uuid().text(`","Url":"https://cos.example/file/`)
		w.uuid().text(`"},"MsgType":"TIMFileElem"}`)
	case kind < 98:
		w.text(`{"MsgContent":{"Desc":"café","Latitude":29.340656774469956,"Longitude":116.77497920478824},"MsgType":"TIMLocationElem"}`)
	case kind < 99:
		w.videoElement()
	default:
		w.relayElement()
	}
}

func (w *bodyWriter) textElement() {
	w.text(`{"MsgContent":{"Text":"`)
	w.buf = w.dice.appendPhrases(w.buf)
	w.text(`"},"MsgType":"TIMTextElem"}`)
}

func (w *bodyWriter) customElement() {
	w.text(`{"MsgContent":{"Data":"{\n  \"cmd\" : \"gift\", \"n\":`).uint(uint64(w.dice.roll(100)))
	w.text(`}","Desc":"gift","Ext":""},"MsgType":"TIMCustomElem"}`)
}

func (w *bodyWriter) imageElement() {
	w.text(`{"MsgContent":{"ImageFormat":1,"ImageInfoArray":[{"Height":1920,"Size":`)
	w.uint(uint64(100_000 + w.dice.roll(1_000_000))).text(`,"Type":1,"URL":"https://cos.example/image/`).uuid()
	w.text(`","Width":1080},{"Height":0,"Size":12535,"Type":3,"URL":"https://cos.example/thumb/`).uuid()
	w.text(`","Width":0}],"UUID":"`).uuid().text(`"},"MsgType":"TIMImageElem"}`)
}

func (w *bodyWriter) videoElement() {
	w.text(`{"MsgContent":{"ThumbDownloadFlag":2,"ThumbFormat":"JPG","ThumbHeight":1280,"ThumbSize":13907,"ThumbUUID":"`).uuid()
	w.text(`","ThumbUrl":"https://cos.example/t/`).uuid().text(`","ThumbWidth":720,"VideoDownloadFlag":2,"VideoFormat":"mp4","VideoSecond":`)
	w.uint(uint64(w.dice.roll(90))).text(`,"VideoSize":1194603,"VideoUUID":"`).uuid()
	w.text(`","VideoUrl":"https://cos.example/v/`).uuid().text(`"},"MsgType":"TIMVideoFileElem"}`)
}

func (w *bodyWriter) relayElement() {
	w.text(`{"MsgContent":{"AbstractList":["anna: one","bob: two"],"CompatibleText":"upgrade","MsgList":[{"From_Account":"anna","GroupId":"g1","MsgBody":[`)
	w.textElement()
	w.text(`],"MsgRandom":3998651049,"MsgSeq":85,"MsgTimeStamp":1759990000}],"MsgNum":2,"Title":"history"},"MsgType":"TIMRelayElem"}`)
}

// uuid appends 32 characters that look like an object's name.
func (w *bodyWriter) uuid() *bodyWriter {
	const digits = "0123456789abcdef"
	for range 4 {
		n := w.dice.roll(1 << 32)
		for i := range 8 {
			w.buf = append(w.buf, digits[n>>(4*i)&15])
		}
	}
	return w
}
