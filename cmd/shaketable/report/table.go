package report

// table is what the template shows as one.
type table struct {
	Caption string
	Head    []string
	Rows    [][]cell
}

// cell is one field of a table.
type cell struct {
	Text   string
	Small  string  // beside it: band and n
	Exact  string  // the figure with all digits, for programs
	Heat   float64 // depth of the background, 0 to 70
	Heated bool
	Series int // colour of a detector; 0 for none
	Class  string
}

func plain(text string) cell { return cell{Text: text} }

func named(s *subject) cell { return cell{Text: s.title(), Series: colour(s.Index)} }

// measured shows a rate with its band.
func measured(r rate) cell {
	if !r.OK() {
		return cell{Text: "–"}
	}
	return cell{Text: percent(r.Value), Small: band(r), Exact: exact(r.Value)}
}

// counted shows a rate with its band and its n.
func counted(r rate) cell {
	c := measured(r)
	if r.OK() {
		c.Small += ", n " + whole(r.N)
	}
	return c
}
