// Package student makes the model that is to be distilled: a plan of its shape,
// statistics of the teacher from forward passes alone, cuts of depth, width and
// vocabulary, or a random start. The result is an ordinary GGUF file of float32
// matrices with one shape for all layers, so that any loader reads it. It must
// never know a tensor's name: what an axis means is gguf/arch's table.
//
//	shape, err := student.Fit(hyper, student.Has(teacher, hyper.Arch), student.Request{Params: 30e6})
//	s, err := student.Measure(ctx, teacher, rows, index, student.MeasureOptions{})
//	cut, err := student.Choose(hyper, s, shape, nil)
//	err = student.Prune(ctx, out, teacher, cut, student.WriteOptions{})
//
// The statistics are Minitron's (arXiv 2407.14679). A row of text is a sample: of
// each unit the mean over the row's positions of |x|, and over the rows the root
// of the sum of squares.
//
//   - hidden: Σ over all norms' outputs
//   - FFN: the input of the down projection
//   - heads: the input of the output projection, root of the squares' sum over the
//     head's channels, ranked inside a group that shares keys and values
//   - layers: 1 - cos(layer's input, layer's output), mean over positions
//
// Numbers of a row are float64 in the order of positions; rows are summed as
// integers of 128 bits, which no order and no grouping changes. So the statistics
// have the same bits for any threads, batches and shards.
package student
