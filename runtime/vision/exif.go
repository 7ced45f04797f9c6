package vision

import (
	"bytes"
	"encoding/binary"
)

// orientation is EXIF's tag 0x0112 of a JPEG or PNG file, 1 to 8; 1 (as stored)
// where there is none or it makes no sense, as Pillow's exif_transpose has it.
func orientation(data []byte) int {
	var tiff []byte
	if bytes.HasPrefix(data, []byte("\xff\xd8")) {
		tiff = jpegExif(data)
	} else {
		tiff = pngExif(data)
	}
	return tiffOrientation(tiff)
}

// jpegExif is the TIFF structure in the APP1 segment before the image data, nil if
// there is none.
func jpegExif(data []byte) []byte {
	for at := 2; at+4 <= len(data) && data[at] == 0xff; {
		kind := data[at+1]
		if kind == 0xff { // fill byte
			at++
			continue
		}
		if kind == 0xda || kind == 0xd9 {
			return nil
		}
		n := int(binary.BigEndian.Uint16(data[at+2:]))
		if n < 2 || at+2+n > len(data) {
			return nil
		}
		body := data[at+4 : at+2+n]
		if kind == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return body[6:]
		}
		at += 2 + n
	}
	return nil
}

// pngExif is the chunk eXIf, nil if there is none.
func pngExif(data []byte) []byte {
	for at := 8; at+12 <= len(data); {
		n := binary.BigEndian.Uint32(data[at:])
		if uint64(n) > uint64(len(data)-at-12) {
			return nil
		}
		if string(data[at+4:at+8]) == "eXIf" {
			return data[at+8 : at+8+int(n)]
		}
		at += 12 + int(n)
	}
	return nil
}

// tiffOrientation looks through the first directory only.
func tiffOrientation(t []byte) int {
	if len(t) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(t[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(t[4:]))
	if at+2 > uint64(len(t)) {
		return 1
	}
	n := uint64(order.Uint16(t[at:]))
	for e := at + 2; n > 0 && e+12 <= uint64(len(t)); e, n = e+12, n-1 {
		const short = 3
		if order.Uint16(t[e:]) != 0x0112 || order.Uint16(t[e+2:]) != short {
			continue
		}
		if v := order.Uint16(t[e+8:]); v >= 1 && v <= 8 {
			return int(v)
		}
		return 1
	}
	return 1
}

// upright turns an image that is stored in one of EXIF's orientations: 5 to 8
// exchange rows and columns.
func upright(src *RGB, orient int) *RGB {
	if orient == 1 {
		return src
	}
	w, h := src.W, src.H
	out := &RGB{W: w, H: h, Pix: make([]byte, len(src.Pix))}
	if orient >= 5 {
		out.W, out.H = h, w
	}
	for y := range h {
		for x := range w {
			i, j := x, y // where the pixel goes
			switch orient {
			case 2:
				i = w - 1 - x
			case 3:
				i, j = w-1-x, h-1-y
			case 4:
				j = h - 1 - y
			case 5:
				i, j = y, x
			case 6:
				i, j = h-1-y, x
			case 7:
				i, j = h-1-y, w-1-x
			case 8:
				i, j = y, w-1-x
			}
			copy(out.Pix[3*(j*out.W+i):][:3], src.Pix[3*(y*w+x):][:3])
		}
	}
	return out
}
