package torch

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/qwq-edge/qwq/convert/spool"
)

// readZip reads the format of torch >= 1.6: NAME/data.pkl, NAME/data/KEY for
// every storage, NAME/byteorder, NAME/version.
func (f *File) readZip(r io.ReaderAt, size int64, o Options) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return f.bad(0, "zip", err)
	}
	members := make(map[string]*zip.File, len(z.File))
	prefix, found := "", false
	for _, m := range z.File {
		if members[m.Name] != nil {
			return f.bad(0, "zip", fmt.Errorf("member %.80q appears twice", m.Name))
		}
		members[m.Name] = m
		if p, ok := strings.CutSuffix(m.Name, "data.pkl"); ok && (p == "" || strings.Count(p, "/") == 1 && strings.HasSuffix(p, "/")) {
			if found {
				return f.bad(0, "zip", errors.New("two members are called data.pkl"))
			}
			prefix, found = p, true
		}
	}
	switch {
	case !found:
		return f.bad(0, "zip", errors.New("no data.pkl: a zip file that is no torch checkpoint"))
	case members[prefix+"constants.pkl"] != nil:
		return f.bad(0, "zip", errors.New("a TorchScript program, not a state dict"))
	}
	if m := members[prefix+"byteorder"]; m != nil {
		if b, err := small(m, 16); err != nil || string(b) != "little" {
			return f.bad(0, "byteorder", fmt.Errorf("%.16q: only little-endian storages are read", b))
		}
	}
	pkl, err := members[prefix+"data.pkl"].Open()
	if err != nil {
		return f.bad(0, prefix+"data.pkl", err)
	}
	err = f.readPickle(pkl)
	pkl.Close()
	if err != nil {
		return err
	}
	return f.placeZip(r, size, members, prefix+"data/", o)
}

// placeZip finds the bytes of every storage that tensors use; deflated ones are spooled.
func (f *File) placeZip(r io.ReaderAt, size int64, members map[string]*zip.File, folder string, o Options) error {
	stores, err := f.storages()
	if err != nil {
		return err
	}
	var deflated []*zip.File
	var keys []string
	for _, s := range stores {
		m := members[folder+s.key]
		if m == nil {
			return f.bad(0, "zip", fmt.Errorf("storage %.40q is missing", folder+s.key))
		}
		if m.UncompressedSize64 < uint64(s.bytes()) {
			return f.bad(0, m.Name, fmt.Errorf("storage has %d bytes, its tensors need %d", m.UncompressedSize64, s.bytes()))
		}
		if m.Flags&1 != 0 {
			return f.bad(0, m.Name, errors.New("storage is encrypted"))
		}
		switch m.Method {
		case zip.Store:
			off, err := m.DataOffset()
			if err != nil {
				return f.bad(0, m.Name, err)
			}
			if off > size || s.bytes() > size-off || m.CompressedSize64 != m.UncompressedSize64 {
				return f.bad(off, m.Name, fmt.Errorf("%d bytes reach past the end of the file, %d", s.bytes(), size))
			}
			f.at[s.key] = place{r, off, s.bytes()}
		case zip.Deflate:
			deflated, keys = append(deflated, m), append(keys, s.key)
		default:
			return f.bad(0, m.Name, fmt.Errorf("zip method %d is not known", m.Method))
		}
	}
	if len(deflated) == 0 {
		return nil
	}
	return f.inflate(deflated, keys, o)
}

func (f *File) inflate(members []*zip.File, keys []string, o Options) error {
	sp, err := spool.Create(o.Dir)
	if err != nil {
		return err
	}
	f.close = append(f.close, sp)
	total := uint64(0)
	for _, m := range members {
		if m.UncompressedSize64 > 1<<62 || total > 1<<62 {
			return f.bad(0, m.Name, spool.ErrSpace)
		}
		total += m.UncompressedSize64
	}
	if _, err := sp.Room(int64(total)); err != nil {
		return fmt.Errorf("torch: %s: %w", f.name, err)
	}
	for i, m := range members {
		rc, err := m.Open()
		if err != nil {
			return f.bad(0, m.Name, err)
		}
		off, n, err := sp.Append(o.Context, rc, int64(m.UncompressedSize64))
		rc.Close()
		if err != nil {
			return f.bad(0, m.Name, err)
		}
		if uint64(n) != m.UncompressedSize64 {
			return f.bad(0, m.Name, fmt.Errorf("inflates to %d bytes, %d were announced", n, m.UncompressedSize64))
		}
		f.at[keys[i]] = place{sp, off, n}
	}
	return nil
}

// small reads a member of at most limit bytes.
func small(m *zip.File, limit int64) ([]byte, error) {
	rc, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(io.LimitReader(rc, limit))
}
