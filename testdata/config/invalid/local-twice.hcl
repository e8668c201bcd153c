locals {
  a = 1
}
locals {
  a = 2 # ERROR: There is a local value "a" already, at local-twice.hcl:2
}
