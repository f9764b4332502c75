package schema

// The functions of this file read one MsgContent each, in the old and the new
// spelling: clients before 4.x send no URLs and no download flags, and the
// specification itself spells Url and URL, FileName and fileName.

func (k *keeper) textElement(content value) *Text {
	el := new(Text)
	for name, v := range content.members() {
		switch string(name) {
		case "Text":
			k.text(&el.Text, name, v)
		default:
			k.keep(name, v)
		}
	}
	el.Extra = k.extra
	return el
}

func (k *keeper) location(content value) *Location {
	el := new(Location)
	for name, v := range content.members() {
		switch string(name) {
		case "Desc":
			k.text(&el.Description, name, v)
		case "Latitude":
			k.float(&el.Latitude, name, v)
		case "Longitude":
			k.float(&el.Longitude, name, v)
		default:
			k.keep(name, v)
		}
	}
	el.Extra = k.extra
	return el
}

func (k *keeper) face(content value) *Face {
	el := new(Face)
	for name, v := range content.members() {
		switch string(name) {
		case "Index":
			k.int(&el.Index, name, v)
		case "Data":
			k.text(&el.Data, name, v)
		default:
			k.keep(name, v)
		}
	}
	el.Extra = k.extra
	return el
}

func (k *keeper) custom(content value) *Custom {
	el := new(Custom)
	for name, v := range content.members() {
		switch string(name) {
		case "Data":
			k.text(&el.Data, name, v)
		case "Desc":
			k.text(&el.Description, name, v)
		case "Ext":
			k.text(&el.Extension, name, v)
		case "Sound":
			k.text(&el.Sound, name, v)
		default:
			k.keep(name, v)
		}
	}
	el.Extra = k.extra
	return el
}

func (k *keeper) sound(content value) *Sound {
	el := new(Sound)
	for name, v := range content.members() {
		switch string(name) {
		case "Url", "URL":
			k.text(&el.URL, name, v)
		case "UUID":
			k.text(&el.UUID, name, v)
		case "Size":
			k.uint(&el.Size, name, v)
		case "Second":
			k.uint(&el.Duration, name, v)
		case "Download_Flag":
			k.uint(&el.DownloadFlag, name, v)
		default:
			k.keep(name, v)
		}
	}
	el.Extra = k.extra
	return el
}

func (k *keeper) file(content value) *File {
	el := new(File)
	for name, v := range content.members() {
		switch string(name) {
		case "FileName", "fileName":
			k.text(&el.Name, name, v)
		case "Url", "URL":
			k.text(&el.URL, name, v)
		case "UUID":
			k.text(&el.UUID, name, v)
		case "FileSize":
			k.uint(&el.Size, name, v)
		case "Download_Flag":
			k.uint(&el.DownloadFlag, name, v)
		default:
			k.keep(name, v)
		}
	}
	el.Extra = k.extra
	return el
}

func (k *keeper) video(content value) *Video {
	el := new(Video)
	for name, v := range content.members() {
		switch string(name) {
		case "VideoUrl", "VideoURL":
			k.text(&el.URL, name, v)
		case "VideoUUID":
			k.text(&el.UUID, name, v)
		case "VideoSize":
			k.uint(&el.Size, name, v)
		case "VideoSecond":
			k.uint(&el.Duration, name, v)
		case "VideoFormat":
			k.text(&el.Format, name, v)
		case "VideoDownloadFlag":
			k.uint(&el.DownloadFlag, name, v)
		default:
			k.thumbnail(&el.Thumbnail, name, v)
		}
	}
	el.Extra = k.extra
	return el
}

// thumbnail takes one member of a video's content.
func (k *keeper) thumbnail(t *Thumbnail, name []byte, v value) {
	switch string(name) {
	case "ThumbUrl", "ThumbURL":
		k.text(&t.URL, name, v)
	case "ThumbUUID":
		k.text(&t.UUID, name, v)
	case "ThumbSize":
		k.uint(&t.Size, name, v)
	case "ThumbWidth":
		k.uint(&t.Width, name, v)
	case "ThumbHeight":
		k.uint(&t.Height, name, v)
	case "ThumbFormat":
		k.text(&t.Format, name, v)
	case "ThumbDownloadFlag":
		k.uint(&t.DownloadFlag, name, v)
	default:
		k.keep(name, v)
	}
}

func (k *keeper) image(content value, left *budget) *Image {
	el := new(Image)
	for name, v := range content.members() {
		switch string(name) {
		case "UUID":
			k.text(&el.UUID, name, v)
		case "ImageFormat":
			k.imageFormat(&el.Format, name, v)
		case "ImageInfoArray":
			k.variants(&el.Variants, name, v, left)
		default:
			k.keep(name, v)
		}
	}
	el.Extra = k.extra
	return el
}

func (k *keeper) imageFormat(dst *ImageFormat, name []byte, v value) {
	switch n, ok := v.uint(); {
	case ok && n == 1:
		*dst = FormatJPG
	case ok && n == 2:
		*dst = FormatGIF
	case ok && n == 3:
		*dst = FormatPNG
	case ok && n == 4:
		*dst = FormatBMP
	case ok && n == 255:
		*dst = FormatOther
	default:
		k.keep(name, v)
	}
}

func (k *keeper) variants(dst *[]ImageVariant, name []byte, v value, left *budget) {
	n, ok := left.list(v)
	if !ok || !allObjects(v) {
		k.keep(name, v)
		return
	}
	for item := range v.items() {
		if *dst == nil {
			*dst = make([]ImageVariant, 0, n)
		}
		*dst = append(*dst, readVariant(item))
	}
}

// allObjects reports whether a list holds objects only.
func allObjects(list value) bool {
	for item := range list.items() {
		if item[0] != '{' {
			return false
		}
	}
	return true
}

func readVariant(v value) ImageVariant {
	var variant ImageVariant
	var k keeper
	for name, v := range v.members() {
		switch string(name) {
		case "Type":
			k.variantKind(&variant.Kind, name, v)
		case "URL", "Url":
			k.text(&variant.URL, name, v)
		case "Size":
			k.uint(&variant.Size, name, v)
		case "Width":
			k.uint(&variant.Width, name, v)
		case "Height":
			k.uint(&variant.Height, name, v)
		default:
			k.keep(name, v)
		}
	}
	variant.Extra = k.extra
	return variant
}

func (k *keeper) variantKind(dst *VariantKind, name []byte, v value) {
	switch n, ok := v.uint(); {
	case ok && n == 1:
		*dst = KindOriginal
	case ok && n == 2:
		*dst = KindLarge
	case ok && n == 3:
		*dst = KindThumbnail
	default:
		k.keep(name, v)
	}
}

func (k *keeper) relay(content value, left *budget) *Relay {
	el := new(Relay)
	for name, v := range content.members() {
		switch string(name) {
		case "Title":
			k.text(&el.Title, name, v)
		case "MsgNum":
			k.uint(&el.Count, name, v)
		case "CompatibleText":
			k.text(&el.CompatibleText, name, v)
		case "AbstractList":
			k.texts(&el.Abstracts, name, v)
		case "JsonMsgKey":
			k.text(&el.Key, name, v)
		case "MsgList":
			k.relayed(&el.Messages, name, v, left)
		default:
			k.keep(name, v)
		}
	}
	el.Extra = k.extra
	return el
}

func (k *keeper) relayed(dst *[]RelayMessage, name []byte, v value, left *budget) {
	n, ok := left.list(v)
	if !ok || !allObjects(v) {
		k.keep(name, v)
		return
	}
	for item := range v.items() {
		if *dst == nil {
			*dst = make([]RelayMessage, 0, n)
		}
		*dst = append(*dst, readRelayed(item, left))
	}
}

func readRelayed(v value, left *budget) RelayMessage {
	var m RelayMessage
	var k keeper
	for name, v := range v.members() {
		switch string(name) {
		case "From_Account":
			k.text(&m.Sender, name, v)
		case "To_Account":
			k.text(&m.Recipient, name, v)
		case "GroupId":
			k.text(&m.GroupID, name, v)
		case "MsgSeq":
			k.uint(&m.Seq, name, v)
		case "MsgRandom":
			k.uint(&m.Random, name, v)
		case "MsgTimeStamp":
			k.seconds(&m.SentAt, name, v)
		case "CloudCustomData":
			k.text(&m.CustomData, name, v)
		case "MsgBody":
			k.elements(&m.Elements, name, v, left)
		default:
			k.keep(name, v)
		}
	}
	m.Extra = k.extra
	return m
}
