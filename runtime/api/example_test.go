package api_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qwq-edge/qwq/runtime/api"
)

func ExampleClient_ChatStream() {
	c, err := api.Dial("/run/qwqd/qwqd.sock", api.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	q := &api.ChatRequest{Messages: []api.Message{{Role: "user", Content: api.Text("Tell a story.")}}}
	for piece, err := range c.ChatStream(context.Background(), q) {
		if err != nil {
			log.Fatal(err) // an *api.Error when the daemon refused it
		}
		fmt.Print(piece.Text())
	}
}
