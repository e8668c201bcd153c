variable "a" {
  default = "a"
}
variable "a" { # ERROR: There is a variable "a" already, at variable-twice.hcl:1
  default = "b"
}
