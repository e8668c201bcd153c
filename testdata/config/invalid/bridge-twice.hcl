bridge {}
bridge {} # ERROR: There is one bridge block, and it stands at bridge-twice.hcl:1
