package tokenizer

// Encode returns the ids of text.
func (t *Tokenizer) Encode(text string, o EncodeOptions) []int32 {
	return t.Append(make([]int32, 0, len(text)/4+4), text, o)
}

// Append appends the ids of text to dst.
func (t *Tokenizer) Append(dst []int32, text string, o EncodeOptions) []int32 {
	sc, _ := t.pool.Get().(*scratch)
	if sc == nil {
		sc = new(scratch)
	}
	if o.AddSpecial {
		dst = append(dst, t.cfg.Prefix...)
	}
	text = validText(text)
	for at := 0; at < len(text); {
		lo, hi, id := t.added.next(text, at, o.NoParseSpecial)
		if lo > at {
			dst = t.appendBetween(dst, sc, text[at:lo], at == 0, o)
		}
		if id >= 0 {
			dst = append(dst, id)
		}
		at = hi
	}
	if o.AddSpecial {
		dst = append(dst, t.cfg.Suffix...)
	}
	sc.trim()
	t.pool.Put(sc)
	return dst
}

// appendBetween appends the ids of the text between two added tokens; first
// says that it begins the whole text.
func (t *Tokenizer) appendBetween(dst []int32, sc *scratch, text string, first bool, o EncodeOptions) []int32 {
	text = t.norm.apply(text)
	if t.addedN == nil {
		return t.appendText(dst, sc, text, first)
	}
	for at := 0; at < len(text); {
		lo, hi, id := t.addedN.next(text, at, o.NoParseSpecial)
		if lo > at {
			dst = t.appendText(dst, sc, text[at:lo], first && at == 0)
		}
		if id >= 0 {
			dst = append(dst, id)
		}
		at = hi
	}
	return dst
}

// appendText appends the ids of normalized text without added tokens.
func (t *Tokenizer) appendText(dst []int32, sc *scratch, text string, first bool) []int32 {
	if text == "" {
		return dst
	}
	if t.pre.scan != nil {
		if t.pre.prefixSpace {
			text = withSpace(text)
		}
		for i := 0; i < len(text); {
			end := t.pre.scan.next(text, i)
			if !t.pre.dropSpace || !t.pre.scan.isSpace(text, i) {
				sc.lastUnk = false
				dst = t.model.appendPiece(dst, sc, text[i:end])
			}
			i = end
		}
		return dst
	}
	in := append(sc.pieces[:0], text)
	out := sc.pieces2[:0]
	for _, stage := range t.pre.stages {
		out = out[:0]
		for i, p := range in {
			if p != "" {
				out = stage(out, p, first && i == 0)
			}
		}
		in, out = out, in
	}
	for _, p := range in {
		if p != "" {
			sc.lastUnk = false
			dst = t.model.appendPiece(dst, sc, p)
		}
	}
	sc.pieces, sc.pieces2 = in, out
	return dst
}
