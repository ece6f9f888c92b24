// Package codegentest has code that `gateway codegen --lang go` writes for the contracts of its tests, and uses it.
// codegen/tests/golden.rs keeps the code up to date.
package codegentest
