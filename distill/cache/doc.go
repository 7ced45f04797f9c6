// Package cache keeps what a teacher said about rows of tokens, so that a run
// never pays the teacher twice: for each scored position the k likeliest ids
// with their log-probabilities, the mass of the rest, log Z for each temperature,
// and if wanted ids drawn at each temperature. docs/teacher-cache.md has the
// format. A row is found by the SHA-256 of its ids and document boundaries: a
// row that is another, shifted or damaged is an error and never silent.
//
//	job, err := cache.NewJob(cache.Options{Source: rows.View(data.Train), Teacher: t, K: 32, Temps: []float64{1, 2}})
//	err = shard.Run(ctx, "cache/train", job, sel, shard.Options{})
//	c, err := cache.Open("cache/train")
//	teacher, err := c.Teacher(cache.TeacherOptions{Temps: []float64{2}})
package cache
