// Package config reads the configuration of a worker: one YAML file whose sections are named after the stages they
// configure. The structs, their defaults and their checks live beside the stages; this package puts them together,
// refuses keys that do not exist, reports every fault at once with its line, resolves paths against the file, and reads
// secrets from files or the environment.
package config
