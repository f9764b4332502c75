package schema

import (
	"encoding/json"
	"time"
)

// ElementType is the value of an element's member "type". The set is closed
// within v1: an element type that Tencent adds later stays TypeOther.
type ElementType string

// The element types.
const (
	TypeText     ElementType = "text"
	TypeLocation ElementType = "location"
	TypeFace     ElementType = "face"
	TypeCustom   ElementType = "custom"
	TypeSound    ElementType = "sound"
	TypeImage    ElementType = "image"
	TypeFile     ElementType = "file"
	TypeVideo    ElementType = "video"
	TypeRelay    ElementType = "relay"
	TypeOther    ElementType = "other"
)

// Element is one part of a message: *Text, *Location, *Face, *Custom, *Sound,
// *Image, *File, *Video, *Relay or *Other, and nothing else.
type Element interface {
	// Type is the element's type in the JSON.
	Type() ElementType
	// only this package has elements
	element()
}

// Elements are the parts of a message in their order.
type Elements []Element

// Text is a piece of text (TIMTextElem).
type Text struct {
	Text  string `json:"text,omitempty"`
	Extra Extra  `json:"extra,omitempty"`
}

// Location is a place (TIMLocationElem), in degrees as they came.
type Location struct {
	Description string            `json:"description,omitempty"`
	Latitude    Optional[float64] `json:"latitude,omitzero"`
	Longitude   Optional[float64] `json:"longitude,omitzero"`
	Extra       Extra             `json:"extra,omitempty"`
}

// Face is an emoji of the application's own set (TIMFaceElem).
type Face struct {
	Index Optional[int64] `json:"index,omitzero"`
	// Data may hold control characters, NUL among them.
	Data  string `json:"data,omitempty"`
	Extra Extra  `json:"extra,omitempty"`
}

// Custom is the application's own element (TIMCustomElem).
type Custom struct {
	// Data is most often JSON in a string.
	Data        string `json:"data,omitempty"`
	Description string `json:"description,omitempty"`
	Extension   string `json:"extension,omitempty"`
	Sound       string `json:"sound,omitempty"`
	Extra       Extra  `json:"extra,omitempty"`
}

// Sound is a voice message (TIMSoundElem). Old clients send no URL.
type Sound struct {
	URL  string `json:"url,omitempty"`
	UUID string `json:"uuid,omitempty"`
	// Size is in bytes.
	Size Optional[uint64] `json:"size,omitzero"`
	// Duration is in seconds.
	Duration Optional[uint64] `json:"duration,omitzero"`
	// DownloadFlag is 2 where URL can be fetched.
	DownloadFlag Optional[uint64] `json:"download_flag,omitzero"`
	Extra        Extra            `json:"extra,omitempty"`
}

// ImageFormat is the format of an Image. The set is closed within v1.
type ImageFormat string

// The image formats, and in parentheses Tencent's numbers.
const (
	FormatJPG   ImageFormat = "jpg"   // 1
	FormatGIF   ImageFormat = "gif"   // 2
	FormatPNG   ImageFormat = "png"   // 3
	FormatBMP   ImageFormat = "bmp"   // 4
	FormatOther ImageFormat = "other" // 255
)

// Image is a picture in up to three sizes (TIMImageElem).
type Image struct {
	UUID     string         `json:"uuid,omitempty"`
	Format   ImageFormat    `json:"format,omitempty"`
	Variants []ImageVariant `json:"variants,omitempty"`
	Extra    Extra          `json:"extra,omitempty"`
}

// VariantKind is the kind of an ImageVariant. The set is closed within v1.
type VariantKind string

// The variants of an image, and Tencent's numbers.
const (
	KindOriginal  VariantKind = "original"  // 1
	KindLarge     VariantKind = "large"     // 2
	KindThumbnail VariantKind = "thumbnail" // 3
)

// ImageVariant is one size of an Image.
type ImageVariant struct {
	Kind VariantKind `json:"kind,omitempty"`
	URL  string      `json:"url,omitempty"`
	// Size is in bytes.
	Size Optional[uint64] `json:"size,omitzero"`
	// Width and Height are in pixels; both may be 0.
	Width  Optional[uint64] `json:"width,omitzero"`
	Height Optional[uint64] `json:"height,omitzero"`
	Extra  Extra            `json:"extra,omitempty"`
}

// File is a file (TIMFileElem). Old clients send no URL.
type File struct {
	Name string `json:"name,omitempty"`
	URL  string `json:"url,omitempty"`
	UUID string `json:"uuid,omitempty"`
	// Size is in bytes.
	Size         Optional[uint64] `json:"size,omitzero"`
	DownloadFlag Optional[uint64] `json:"download_flag,omitzero"`
	Extra        Extra            `json:"extra,omitempty"`
}

// Video is a short film (TIMVideoFileElem). Old clients send no URLs.
type Video struct {
	URL  string `json:"url,omitempty"`
	UUID string `json:"uuid,omitempty"`
	// Size is in bytes.
	Size Optional[uint64] `json:"size,omitzero"`
	// Duration is in seconds; 0 from web clients.
	Duration Optional[uint64] `json:"duration,omitzero"`
	// Format is the file's format as it came, such as mp4.
	Format       string           `json:"format,omitempty"`
	DownloadFlag Optional[uint64] `json:"download_flag,omitzero"`
	Thumbnail    Thumbnail        `json:"thumbnail,omitzero"`
	Extra        Extra            `json:"extra,omitempty"`
}

// Thumbnail is the still picture of a Video.
type Thumbnail struct {
	URL  string `json:"url,omitempty"`
	UUID string `json:"uuid,omitempty"`
	// Size is in bytes.
	Size Optional[uint64] `json:"size,omitzero"`
	// Width and Height are in pixels.
	Width  Optional[uint64] `json:"width,omitzero"`
	Height Optional[uint64] `json:"height,omitzero"`
	// Format is the picture's format as it came, such as JPG.
	Format       string           `json:"format,omitempty"`
	DownloadFlag Optional[uint64] `json:"download_flag,omitzero"`
}

// Relay is several messages forwarded as one (TIMRelayElem). It holds either
// the messages or, where they are over 12 KB, the Key to fetch them with.
type Relay struct {
	Title string `json:"title,omitempty"`
	// Count is how many messages were forwarded, as the sender said.
	Count Optional[uint64] `json:"count,omitzero"`
	// CompatibleText is shown by clients that know no relays.
	CompatibleText string `json:"compatible_text,omitempty"`
	// Abstracts are lines that preview the messages; a line may be empty.
	Abstracts []string `json:"abstracts,omitempty"`
	// Key is JsonMsgKey.
	Key      string         `json:"key,omitempty"`
	Messages []RelayMessage `json:"messages,omitempty"`
	Extra    Extra          `json:"extra,omitempty"`
}

// RelayMessage is one message inside a Relay.
type RelayMessage struct {
	// Sender is From_Account.
	Sender string `json:"sender,omitempty"`
	// Recipient is To_Account, for a message that was one to one.
	Recipient string `json:"recipient,omitempty"`
	// GroupID is set for a message of a group; Seq and Random are its numbers there.
	GroupID string           `json:"group_id,omitempty"`
	Seq     Optional[uint64] `json:"seq,omitzero"`
	Random  Optional[uint64] `json:"random,omitzero"`
	// SentAt is MsgTimeStamp, in seconds.
	SentAt     time.Time `json:"sent_at,omitzero"`
	CustomData string    `json:"custom_data,omitempty"`
	Elements   Elements  `json:"elements,omitempty"`
	Extra      Extra     `json:"extra,omitempty"`
}

// Other is an element that this version does not know, or cannot read.
type Other struct {
	// Name is the element's MsgType as it came; "" where it had none.
	Name string `json:"name,omitempty"`
	// Content is its MsgContent as it came; where there is no Name to go by,
	// it is the whole element.
	Content json.RawMessage `json:"content,omitempty"`
	// Extra holds what stood beside MsgType and MsgContent.
	Extra Extra `json:"extra,omitempty"`
}

// Type returns TypeText.
func (*Text) Type() ElementType { return TypeText }

// Type returns TypeLocation.
func (*Location) Type() ElementType { return TypeLocation }

// Type returns TypeFace.
func (*Face) Type() ElementType { return TypeFace }

// Type returns TypeCustom.
func (*Custom) Type() ElementType { return TypeCustom }

// Type returns TypeSound.
func (*Sound) Type() ElementType { return TypeSound }

// Type returns TypeImage.
func (*Image) Type() ElementType { return TypeImage }

// Type returns TypeFile.
func (*File) Type() ElementType { return TypeFile }

// Type returns TypeVideo.
func (*Video) Type() ElementType { return TypeVideo }

// Type returns TypeRelay.
func (*Relay) Type() ElementType { return TypeRelay }

// Type returns TypeOther.
func (*Other) Type() ElementType { return TypeOther }

func (*Text) element()     {}
func (*Location) element() {}
func (*Face) element()     {}
func (*Custom) element()   {}
func (*Sound) element()    {}
func (*Image) element()    {}
func (*File) element()     {}
func (*Video) element()    {}
func (*Relay) element()    {}
func (*Other) element()    {}
