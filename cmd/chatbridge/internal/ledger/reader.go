package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"
)

// maxLine bounds the memory that one line may take. Ours are below 1 KiB.
const maxLine = 1 << 20

// Read calls fn for each line of the ledger at path, in order, with the line's
// byte offset in the file. The line is valid only during the call. A last line
// without its newline was torn by a crash and is left out. Members that this
// version does not know are ignored.
func Read(path string, fn func(offset int64, l *Line) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the ledger: %w", err)
	}
	defer f.Close()
	return readFrom(f, path, fn)
}

func readFrom(r io.Reader, path string, fn func(offset int64, l *Line) error) error {
	in := bufio.NewReaderSize(r, maxLine)
	offset := int64(0)
	for number := 1; ; number++ {
		raw, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("%s:%d: line longer than %d bytes; is this a ledger of chatbridge send?", path, number, maxLine)
		case err != nil:
			return fmt.Errorf("reading the ledger %s: %w", path, err)
		}
		var l Line
		if err := json.Unmarshal(raw, &l); err != nil {
			return fmt.Errorf("%s:%d: not a line of a ledger: %w", path, number, err)
		}
		if l.Kind == "" {
			return fmt.Errorf("%s:%d: a line without a kind; is this a ledger of chatbridge send?", path, number)
		}
		if err := fn(offset, &l); err != nil {
			return err
		}
		offset += int64(len(raw))
	}
}

// At returns the line that begins at a byte offset that [Read] gave.
func At(path string, offset int64) (Line, error) {
	f, err := os.Open(path)
	if err != nil {
		return Line{}, fmt.Errorf("opening the ledger: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return Line{}, fmt.Errorf("reading the ledger %s at %d: %w", path, offset, err)
	}
	var found Line
	err = readFrom(f, path, func(_ int64, l *Line) error {
		found = *l
		return io.EOF
	})
	if errors.Is(err, io.EOF) {
		return found, nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return Line{}, fmt.Errorf("reading the ledger %s at %d: %w", path, offset, err)
}
