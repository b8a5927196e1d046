package inspect

import (
	"fmt"
	"slices"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// Shape is what the file says about the input.
type Shape struct {
	Batch         int64    // pictures per run; 0 if it is open
	Layouts       []string // that are possible: one, or both where nothing tells them apart
	LayoutWhy     string
	Width, Height int // 0 if open
	Bytes         bool
}

// Shape reads layout, size and batch from the declared shape, and where that is silent, from how the graph uses its input.
func (m *Model) Shape() Shape {
	s := Shape{Bytes: m.Input.Element == "uint8"}
	d := m.Input.Dims
	if d == nil {
		d = []int64{graph.Unknown, graph.Unknown, graph.Unknown, graph.Unknown}
	}
	s.Batch = max(d[0], 0)
	byUse, why := m.layoutByUse()
	switch first, last := d[1] == 3, d[3] == 3; {
	case first && !last:
		s.Layouts, s.LayoutWhy = []string{"NCHW"}, "the 3 colours stand in the second place of the shape"
	case last && !first:
		s.Layouts, s.LayoutWhy = []string{"NHWC"}, "the 3 colours stand in the last place of the shape"
	case byUse != "":
		s.Layouts, s.LayoutWhy = []string{byUse}, why
	default:
		s.Layouts, s.LayoutWhy = []string{"NCHW", "NHWC"}, "neither the shape nor the first operator tells where the colours are"
	}
	height, width := d[2], d[3]
	if s.Layouts[0] == "NHWC" {
		height, width = d[1], d[2]
	}
	s.Height, s.Width = int(max(height, 0)), int(max(width, 0))
	return s
}

// layoutByUse follows the input to the first operator that needs to know where its channels are.
func (m *Model) layoutByUse() (layout, why string) {
	for _, n := range m.prelude() {
		switch n.GetOpType() {
		case "Conv":
			if w := m.initializer(n, 1); len(w) == 4 && w[1]*max(1, intAttr(n, "group", 1)) == 3 {
				return "NCHW", "the first convolution takes 3 channels in the second place"
			}
		case "Transpose":
			for _, a := range n.GetAttribute() {
				if a.GetName() == "perm" && slices.Equal(a.GetInts(), []int64{0, 3, 1, 2}) {
					return "NHWC", "the graph turns [0, 3, 1, 2] first"
				}
			}
		}
	}
	return "", ""
}

// prelude lists the operators that the picture goes through, one after another, up to and including the first that has
// learned something or that is not alone in using its input.
func (m *Model) prelude() (nodes []*onnx.NodeProto) {
	at := m.Input.Name
	for {
		var users []*onnx.NodeProto
		for _, n := range m.proto.GetGraph().GetNode() {
			if slices.Contains(n.GetInput(), at) {
				users = append(users, n)
			}
		}
		if len(users) != 1 || len(users[0].GetOutput()) == 0 {
			for _, u := range users { // branches of the first block all begin alike
				if u.GetOpType() == "Conv" {
					return append(nodes, u)
				}
			}
			return nodes
		}
		nodes = append(nodes, users[0])
		switch users[0].GetOpType() {
		case "Identity", "Cast", "Sub", "Add", "Mul", "Div", "Transpose", "Resize", "Upsample", "Pad", "Slice", "Gather", "Clip",
			"QuantizeLinear", "DequantizeLinear", "Unsqueeze", "Squeeze", "Reshape":
		default:
			return nodes
		}
		at = users[0].GetOutput()[0]
	}
}

// initializer is the shape of the weight that is a node's i-th input; nil if it is none.
func (m *Model) initializer(n *onnx.NodeProto, i int) []int64 {
	if i >= len(n.GetInput()) {
		return nil
	}
	for _, t := range m.proto.GetGraph().GetInitializer() {
		if t.GetName() == n.GetInput()[i] {
			return t.GetDims()
		}
	}
	for _, c := range m.proto.GetGraph().GetNode() { // a copy of another weight
		if c.GetOpType() == "Identity" && c.GetOutput()[0] == n.GetInput()[i] {
			return m.initializer(c, 0)
		}
	}
	return nil
}

func intAttr(n *onnx.NodeProto, name string, otherwise int64) int64 {
	for _, a := range n.GetAttribute() {
		if a.GetName() == name {
			return a.GetI()
		}
	}
	return otherwise
}

// usualSides are the sides of square inputs that models are trained with, the commonest first.
func usualSides() []int {
	return []int{224, 256, 299, 384, 380, 320, 336, 128, 512, 448, 112, 160, 96, 64, 192, 240, 260, 288, 300, 331, 400, 456, 480, 518, 528, 600, 640}
}

// SidesThatFit returns the usual sides of a square input that the graph can be computed for, in a layout, and how many were
// tried. Dense layers and position codes often take one size only.
func (m *Model) SidesThatFit(layout string) (fit []int, tried int) {
	for _, side := range usualSides() {
		tried++
		if _, err := eval.Infer(m.proto, map[string][]int64{m.Input.Name: dims(1, layout, side, side)}); err == nil {
			fit = append(fit, side)
		}
	}
	return fit, tried
}

// dims is the shape of the input's tensor.
func dims(batch int64, layout string, height, width int) []int64 {
	if layout == "NHWC" {
		return []int64{batch, int64(height), int64(width), 3}
	}
	return []int64{batch, 3, int64(height), int64(width)}
}

// settleSize decides the size: declared, given, or the one that fits.
func (s *settling) size(shape Shape, layout string) {
	switch {
	case shape.Width > 0 && shape.Height > 0:
		s.in.Width, s.in.Height = shape.Width, shape.Height
		s.add("size", Found, fmt.Sprintf("%d x %d pixels (width x height)", shape.Width, shape.Height), "the file fixes it")
		if s.given != (Size{}) && s.given != (Size{shape.Width, shape.Height}) {
			s.refuse(fmt.Errorf("--size %dx%d: the file fixes the input at %dx%d (height x width)", s.given.Height, s.given.Width, shape.Height, shape.Width))
		}
	case s.given != (Size{}):
		s.in.Width, s.in.Height = s.given.Width, s.given.Height
		s.add("size", Found, fmt.Sprintf("%d x %d pixels (width x height)", s.given.Width, s.given.Height), "you said so with --size")
	default:
		s.sizeByTrial(layout)
	}
}

func (s *settling) sizeByTrial(layout string) {
	fit, tried := s.model.SidesThatFit(layout)
	switch len(fit) {
	case 0:
		s.add("size", Ask, "the file leaves it open", fmt.Sprintf("none of the %d usual square sizes fits the graph: say --size HxW", tried))
	case 1:
		s.in.Width, s.in.Height = fit[0], fit[0]
		s.add("size", Found, fmt.Sprintf("%d x %d pixels", fit[0], fit[0]), fmt.Sprintf("of %d usual sizes the only one that fits the graph", tried))
	default:
		if len(fit) <= 3 {
			s.in.Width, s.in.Height = fit[0], fit[0]
			s.add("size", Guessed, fmt.Sprintf("%d x %d pixels", fit[0], fit[0]), fmt.Sprintf("of %d usual sizes %v fit the graph, and this is the commonest", tried, fit))
			return
		}
		s.add("size", Ask, "the file leaves it open, and the graph runs at any", "say --size HxW: what your service scales pictures to (common: 224x224, 256x256, 299x299, 384x384)")
	}
}
