package quant_test

import (
	"fmt"
	"log"

	"github.com/qwq-edge/qwq/quant"
)

func ExampleEncode() {
	row := make([]float32, 32)
	row[0], row[1] = -12.7, 5
	n, _ := quant.Q8_0.RowBytes(len(row))
	block := make([]byte, n)
	if err := quant.Encode(quant.Q8_0, block, row); err != nil {
		log.Fatal(err)
	}
	if err := quant.Decode(quant.Q8_0, row, block); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d bytes: %.2f %.2f\n", n, row[0], row[1])
	// Output: 34 bytes: -12.70 5.00
}
