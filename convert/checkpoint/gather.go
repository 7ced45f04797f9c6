package checkpoint

import "fmt"

// Details that are easy to get wrong:
//   - A transposed view is read in column runs: for rows lo…hi of the view each
//     column is one contiguous run of hi-lo elements of the storage, so the
//     taller the block, the longer the reads.
//   - A stride of 0 (expand) and dimensions of length 1 may have any stride.

// ReadRows reads rows lo…hi of the matrix view (rows of the last dimension)
// into dst, contiguous and row-major: dst holds exactly (hi-lo)*cols elements.
// scratch is working space for views that are not contiguous, at least
// MinScratch bytes; more makes a transposed view faster. Packed tensors are
// contiguous rows of blocks.
func (t *Tensor) ReadRows(dst []byte, lo, hi int64, scratch []byte) error {
	rows, cols := t.Matrix()
	if lo < 0 || hi < lo || hi > rows {
		return fmt.Errorf("%s: tensor %.80q: rows %d to %d of %d", t.File, t.Name, lo, hi, rows)
	}
	if t.Contiguous() {
		rb := t.rowBytes(cols)
		return t.readAt(dst[:(hi-lo)*rb], t.Off+lo*rb)
	}
	es := int64(t.DType.Bytes())
	for lo < hi { // rows that share every index but the last two
		base, inner := t.outer(lo)
		n := min(hi-lo, inner)
		if err := t.readInner(dst[:n*cols*es], base, n, cols, scratch); err != nil {
			return err
		}
		dst, lo = dst[n*cols*es:], lo+n
	}
	return nil
}

// ReadFlat reads elements lo…hi of a contiguous tensor; for Packed both are
// multiples of the block.
func (t *Tensor) ReadFlat(dst []byte, lo, hi int64) error {
	return t.readAt(dst, t.Off+t.flatBytes(lo))
}

// flatBytes is the size of n elements in storage.
func (t *Tensor) flatBytes(n int64) int64 {
	if t.DType == Packed {
		return n / int64(t.Block.Block()) * int64(t.Block.BlockBytes())
	}
	return n * int64(t.DType.Bytes())
}

func (t *Tensor) rowBytes(cols int64) int64 { return t.flatBytes(cols) }

// MinScratch is the smallest scratch that ReadRows works with.
const MinScratch = 4096

// outer splits matrix row r: base is the element offset of row r, inner how
// many rows from r on follow with one stride.
func (t *Tensor) outer(r int64) (base, inner int64) {
	n := len(t.Shape)
	if n < 2 {
		return 0, 1
	}
	d := t.Shape[n-2]
	inner = d - r%d
	for i := n - 2; i >= 0; i-- {
		base += r % t.Shape[i] * t.Strides[i]
		r /= t.Shape[i]
	}
	return base, inner
}

// readInner reads n rows of cols elements that start at element base.
func (t *Tensor) readInner(dst []byte, base, n, cols int64, scratch []byte) error {
	es := int64(t.DType.Bytes())
	k := len(t.Shape)
	cs, rs := t.Strides[k-1], int64(0)
	if k > 1 {
		rs = t.Strides[k-2]
	}
	switch {
	case cs == 1 || cols == 1:
		for i := range n {
			if err := t.readAt(dst[i*cols*es:(i+1)*cols*es], t.Off+(base+i*rs)*es); err != nil {
				return err
			}
		}
		return nil
	case rs == 1 && n > 1:
		return t.readColumns(dst, base, n, cols, cs, scratch)
	}
	for i := range n {
		if err := t.readStrided(dst[i*cols*es:(i+1)*cols*es], base+i*rs, cols, cs, scratch); err != nil {
			return err
		}
	}
	return nil
}

// tileCols is how many columns of a transposed view are gathered before they
// are written side by side: a cache line of 16-bit elements.
const tileCols = 32

// readColumns reads a transposed block: column c is the run of n elements at
// base+c*cs. Runs that lie side by side are one read.
func (t *Tensor) readColumns(dst []byte, base, n, cols, cs int64, scratch []byte) error {
	es := int64(t.DType.Bytes())
	room := int64(len(scratch)) / es
	k := min(cols, tileCols, room)
	step := min(n, room/k)
	for i := int64(0); i < n; i += step {
		m := min(step, n-i)
		for c := int64(0); c < cols; c += k {
			g := min(k, cols-c)
			buf := scratch[:g*m*es]
			if err := t.readRuns(buf, base+c*cs+i, m, g, cs); err != nil {
				return err
			}
			transpose(dst[(i*cols+c)*es:], buf, m, g, cols, es)
		}
	}
	return nil
}

// readRuns reads g runs of m elements, cs apart.
func (t *Tensor) readRuns(buf []byte, base, m, g, cs int64) error {
	es := int64(t.DType.Bytes())
	if m == cs {
		return t.readAt(buf, t.Off+base*es)
	}
	for j := range g {
		if err := t.readAt(buf[j*m*es:(j+1)*m*es], t.Off+(base+j*cs)*es); err != nil {
			return err
		}
	}
	return nil
}

// readStrided reads one row of cols elements, cs apart.
func (t *Tensor) readStrided(dst []byte, base, cols, cs int64, scratch []byte) error {
	es := int64(t.DType.Bytes())
	span := int64(len(scratch)) / es
	per := int64(1) // elements per read
	if cs < span {
		per = (span-1)/max(cs, 1) + 1
		if cs == 0 {
			per = cols
		}
	}
	for c := int64(0); c < cols; c += per {
		n := min(per, cols-c)
		buf := scratch[:((n-1)*cs+1)*es]
		if err := t.readAt(buf, t.Off+(base+c*cs)*es); err != nil {
			return err
		}
		for j := range n {
			copy(dst[(c+j)*es:(c+j+1)*es], buf[j*cs*es:])
		}
	}
	return nil
}

// transpose writes src [g, m] as dst [m, g] with rows of cols elements.
func transpose(dst, src []byte, m, g, cols, es int64) {
	for r := range m {
		d, s := dst[r*cols*es:][:g*es], src[r*es:]
		switch es {
		case 2:
			for j, o := int64(0), int64(0); j < 2*g; j, o = j+2, o+2*m {
				d[j], d[j+1] = s[o], s[o+1]
			}
		case 4:
			for j, o := int64(0), int64(0); j < 4*g; j, o = j+4, o+4*m {
				*(*[4]byte)(d[j:]) = *(*[4]byte)(s[o:])
			}
		default:
			for j := range g {
				copy(d[j*es:(j+1)*es], s[j*m*es:])
			}
		}
	}
}
