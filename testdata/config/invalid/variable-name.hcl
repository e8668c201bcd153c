variable "1st" { # ERROR: Invalid name of a variable
  default = "a"
}
