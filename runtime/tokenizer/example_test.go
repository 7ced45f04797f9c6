package tokenizer_test

import (
	"fmt"
	"log"

	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

func Example() {
	tok, err := tokenizer.Load("testdata/llama3_A")
	if err != nil {
		log.Fatal(err)
	}
	ids := tok.Encode("Hello", tokenizer.EncodeOptions{AddSpecial: true})
	fmt.Println(ids[0] == tok.BOS(), tok.Decode(ids, true))
	// Output: true Hello
}

func ExampleTokenizer_Stream() {
	tok, err := tokenizer.Load("testdata/qwen_A")
	if err != nil {
		log.Fatal(err)
	}
	// A character of several tokens comes out when its last one is there.
	s := tok.Stream(true)
	for _, id := range tok.Encode("a\U0001f642", tokenizer.EncodeOptions{}) {
		fmt.Printf("%q ", s.Next(id))
	}
	fmt.Printf("%q\n", s.Flush())
	// Output: "a" "" "" "" "🙂" ""
}
