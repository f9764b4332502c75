package schema

// maxRelays bounds relays within relays. A body of MaxDepth holds twelve.
const maxRelays = MaxDepth / 4

// elements writes a list of elements, each with its type first.
func (w *writer) elements(name string, list Elements) {
	if len(list) == 0 {
		return
	}
	w.name(name)
	w.b = append(w.b, '[')
	w.list(list)
	w.b = append(w.b, ']')
}

func (w *writer) list(list Elements) {
	for _, el := range list {
		w.separate()
		w.b = append(w.b, '{')
		if !w.element(el) {
			w.fail("an element is nil")
		}
		w.b = append(w.b, '}')
	}
}

// element writes an element's members. ok is false for a nil element, also for
// one within an interface. The calls are direct, and not through Element, so
// that the writer can stay on the stack.
func (w *writer) element(el Element) (ok bool) {
	switch el := el.(type) {
	case *Text:
		if ok = el != nil; ok {
			w.textElement(el)
		}
	case *Location:
		if ok = el != nil; ok {
			w.locationElement(el)
		}
	case *Face:
		if ok = el != nil; ok {
			w.faceElement(el)
		}
	case *Custom:
		if ok = el != nil; ok {
			w.customElement(el)
		}
	case *Sound:
		if ok = el != nil; ok {
			w.soundElement(el)
		}
	case *Image:
		if ok = el != nil; ok {
			w.imageElement(el)
		}
	case *File:
		if ok = el != nil; ok {
			w.fileElement(el)
		}
	case *Video:
		if ok = el != nil; ok {
			w.videoElement(el)
		}
	case *Relay:
		if ok = el != nil; ok {
			w.relayElement(el)
		}
	case *Other:
		if ok = el != nil; ok {
			w.otherElement(el)
		}
	}
	return ok
}

func (w *writer) textElement(t *Text) {
	w.text("type", string(TypeText))
	w.text("text", t.Text)
	w.extra(t.Extra)
}

func (w *writer) locationElement(l *Location) {
	w.text("type", string(TypeLocation))
	w.text("description", l.Description)
	w.float("latitude", l.Latitude)
	w.float("longitude", l.Longitude)
	w.extra(l.Extra)
}

func (w *writer) faceElement(f *Face) {
	w.text("type", string(TypeFace))
	w.int("index", f.Index)
	w.text("data", f.Data)
	w.extra(f.Extra)
}

func (w *writer) customElement(c *Custom) {
	w.text("type", string(TypeCustom))
	w.text("data", c.Data)
	w.text("description", c.Description)
	w.text("extension", c.Extension)
	w.text("sound", c.Sound)
	w.extra(c.Extra)
}

func (w *writer) soundElement(s *Sound) {
	w.text("type", string(TypeSound))
	w.text("url", s.URL)
	w.text("uuid", s.UUID)
	w.uint("size", s.Size)
	w.uint("duration", s.Duration)
	w.uint("download_flag", s.DownloadFlag)
	w.extra(s.Extra)
}

func (w *writer) imageElement(i *Image) {
	w.text("type", string(TypeImage))
	w.text("uuid", i.UUID)
	switch i.Format {
	case "", FormatJPG, FormatGIF, FormatPNG, FormatBMP, FormatOther:
		w.text("format", string(i.Format))
	default:
		w.fail("an image's format is not one of the schema's")
	}
	if len(i.Variants) > 0 {
		w.name("variants")
		w.b = append(w.b, '[')
		for n := range i.Variants {
			w.separate()
			w.variant(&i.Variants[n])
		}
		w.b = append(w.b, ']')
	}
	w.extra(i.Extra)
}

func (w *writer) variant(v *ImageVariant) {
	w.b = append(w.b, '{')
	switch v.Kind {
	case "", KindOriginal, KindLarge, KindThumbnail:
		w.text("kind", string(v.Kind))
	default:
		w.fail("an image variant's kind is not one of the schema's")
	}
	w.text("url", v.URL)
	w.uint("size", v.Size)
	w.uint("width", v.Width)
	w.uint("height", v.Height)
	w.extra(v.Extra)
	w.b = append(w.b, '}')
}

func (w *writer) fileElement(f *File) {
	w.text("type", string(TypeFile))
	w.text("name", f.Name)
	w.text("url", f.URL)
	w.text("uuid", f.UUID)
	w.uint("size", f.Size)
	w.uint("download_flag", f.DownloadFlag)
	w.extra(f.Extra)
}

func (w *writer) videoElement(v *Video) {
	w.text("type", string(TypeVideo))
	w.text("url", v.URL)
	w.text("uuid", v.UUID)
	w.uint("size", v.Size)
	w.uint("duration", v.Duration)
	w.text("format", v.Format)
	w.uint("download_flag", v.DownloadFlag)
	w.thumbnail(&v.Thumbnail)
	w.extra(v.Extra)
}

func (w *writer) thumbnail(t *Thumbnail) {
	before := len(w.b)
	w.name("thumbnail")
	w.b = append(w.b, '{')
	opened := len(w.b)
	w.text("url", t.URL)
	w.text("uuid", t.UUID)
	w.uint("size", t.Size)
	w.uint("width", t.Width)
	w.uint("height", t.Height)
	w.text("format", t.Format)
	w.uint("download_flag", t.DownloadFlag)
	if len(w.b) == opened {
		w.b = w.b[:before] // nothing known of it
		return
	}
	w.b = append(w.b, '}')
}

func (w *writer) relayElement(r *Relay) {
	w.text("type", string(TypeRelay))
	w.text("title", r.Title)
	w.uint("count", r.Count)
	w.text("compatible_text", r.CompatibleText)
	w.texts("abstracts", r.Abstracts)
	w.text("key", r.Key)
	switch {
	case len(r.Messages) == 0:
	case w.relays == maxRelays:
		w.fail("relays are nested more than %d deep", maxRelays)
	default:
		w.relays++
		w.name("messages")
		w.b = append(w.b, '[')
		for n := range r.Messages {
			w.separate()
			w.relayMessage(&r.Messages[n])
		}
		w.b = append(w.b, ']')
		w.relays--
	}
	w.extra(r.Extra)
}

func (w *writer) relayMessage(m *RelayMessage) {
	w.b = append(w.b, '{')
	w.text("sender", m.Sender)
	w.text("recipient", m.Recipient)
	w.text("group_id", m.GroupID)
	w.uint("seq", m.Seq)
	w.uint("random", m.Random)
	w.time("sent_at", m.SentAt)
	w.text("custom_data", m.CustomData)
	w.elements("elements", m.Elements)
	w.extra(m.Extra)
	w.b = append(w.b, '}')
}

func (w *writer) otherElement(o *Other) {
	w.text("type", string(TypeOther))
	w.text("name", o.Name)
	w.raw("content", o.Content)
	w.extra(o.Extra)
}
