// Package recipe reads the YAML file that describes a distillation and checks all
// of it before any work. It opens nothing but that file. Unknown keys, keys that
// stand there twice and values out of range are errors with file:line:column; it
// must never guess a key. docs/recipe.md explains every key.
//
//	r, err := recipe.Open("recipe.yaml")
package recipe
