package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table aligns columns. Cells are coloured after they were measured, so that escape sequences take no room.
type table struct {
	head []string
	rows [][]cell
	// right marks the columns that hold numbers.
	right map[int]bool
}

type cell struct {
	text  string
	paint func(string) string
}

func plain(text string) cell { return cell{text: text} }

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// note adds a line beneath the last row that spans all columns.
func (t *table) note(c cell) { t.rows = append(t.rows, []cell{c}) }

func (t *table) write(w io.Writer, p paint) {
	widths := make([]int, len(t.head))
	for i, h := range t.head {
		widths[i] = utf8.RuneCountInString(h)
	}
	for _, row := range t.rows {
		if len(row) == 1 && len(t.head) > 1 {
			continue
		}
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	head := make([]cell, len(t.head))
	for i, h := range t.head {
		head[i] = cell{h, p.bold}
	}
	for _, row := range append([][]cell{head}, t.rows...) {
		if len(row) == 1 && len(t.head) > 1 {
			_, _ = fmt.Fprintln(w, "  "+row[0].coloured())
			continue
		}
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			switch {
			case t.right[i]:
				line.WriteString(pad + c.coloured())
			case i == len(row)-1:
				line.WriteString(c.coloured())
			default:
				line.WriteString(c.coloured() + pad)
			}
			if i < len(row)-1 {
				line.WriteString("  ")
			}
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

func (c cell) coloured() string {
	if c.paint == nil {
		return c.text
	}
	return c.paint(c.text)
}
