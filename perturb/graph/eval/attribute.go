package eval

import (
	"slices"

	"shaketable/perturb/graph/onnx"
)

// attr is an attribute of the node, or nil. What no kernel asks for is unsupported: see unread.
func (c *call) attr(name string, want onnx.AttributeProto_AttributeType) *onnx.AttributeProto {
	c.read = append(c.read, name)
	i := slices.IndexFunc(c.node.GetAttribute(), func(a *onnx.AttributeProto) bool { return a.GetName() == name })
	if i < 0 {
		return nil
	}
	a := c.node.Attribute[i]
	if a.GetRefAttrName() != "" {
		c.fail("attribute %s refers to %q of a function", name, a.GetRefAttrName())
	}
	if t := a.GetType(); t != onnx.AttributeProto_UNDEFINED && t != want {
		c.fail("attribute %s has type %v, it must be %v", name, t, want)
	}
	return a
}

func (c *call) has(name string) bool {
	return slices.ContainsFunc(c.node.GetAttribute(), func(a *onnx.AttributeProto) bool { return a.GetName() == name })
}

// ignore names attributes that do not change the result.
func (c *call) ignore(names ...string) { c.read = append(c.read, names...) }

// unread gives up if the node has an attribute that the kernel has not looked at.
func (c *call) unread() {
	for _, a := range c.node.GetAttribute() {
		if !slices.Contains(c.read, a.GetName()) {
			c.unsupported("attribute %s", a.GetName())
		}
	}
}

func (c *call) attrInt(name string, otherwise int64) int64 {
	if a := c.attr(name, onnx.AttributeProto_INT); a != nil {
		return a.GetI()
	}
	return otherwise
}

func (c *call) attrFloat(name string, otherwise float64) float64 {
	if a := c.attr(name, onnx.AttributeProto_FLOAT); a != nil {
		return float64(a.GetF())
	}
	return otherwise
}

func (c *call) attrString(name, otherwise string) string {
	if a := c.attr(name, onnx.AttributeProto_STRING); a != nil {
		return string(a.GetS())
	}
	return otherwise
}

// attrInts is a list of integers, or nil where it is left out.
func (c *call) attrInts(name string) []int64 {
	if a := c.attr(name, onnx.AttributeProto_INTS); a != nil {
		return append([]int64{}, a.GetInts()...)
	}
	return nil
}

// intsOr is a list of n integers, by default n times otherwise.
func (c *call) intsOr(name string, n int, otherwise int64) []int64 {
	list := c.attrInts(name)
	if list == nil {
		return slices.Repeat([]int64{otherwise}, n)
	}
	if len(list) != n {
		c.fail("attribute %s has %d numbers, it must have %d", name, len(list), n)
	}
	return list
}

// axesOf are axes given as an input from opset since on, and as an attribute before; ok is false where they are left out.
func (c *call) axesOf(input int, since int64) (list []int64, ok bool) {
	if c.opset >= since {
		return c.optionalInts(input)
	}
	list = c.attrInts("axes")
	return list, list != nil
}
