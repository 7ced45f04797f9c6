// Package webui is the daemon's web page: the files of the page, and the handler that
// gives a browser on this machine, and nobody else, a way to the daemon's socket. It must
// never let another web page or another user through, and never load anything from
// elsewhere.
//
//	ui := webui.New(webui.Options{Daemon: client.HTTP().Transport})
//	s := &http.Server{Handler: ui.Handler(), ConnContext: ui.ConnContext}
//	l, _ := net.Listen("tcp4", "127.0.0.1:0")
//	fmt.Println("http://" + l.Addr().String() + "/#token=" + ui.Token()) // opens the page once
//	s.Serve(l)
//
// The page is plain files without a build step. Its scripts read no text as HTML: the
// content security policy asks the browser for trusted types, and allows none.
package webui
