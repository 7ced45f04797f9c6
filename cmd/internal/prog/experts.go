package prog

import "github.com/urfave/cli/v2"

// ExpertFlag is --expert-pages, engine.Options.Experts.
func ExpertFlag() cli.Flag {
	return &cli.StringFlag{Name: "expert-pages", Value: "auto", Usage: "`HOW` a mixture's experts come into memory: auto (the chosen ones, whole while storage is slower), demand (page by page) or all"}
}

// Experts is the value of --expert-pages.
func Experts(c *cli.Context) (string, error) {
	how := c.String("expert-pages")
	switch how {
	case "auto", "demand", "all":
		return how, nil
	}
	return "", Usagef("--expert-pages %q is not auto, demand or all", how)
}
