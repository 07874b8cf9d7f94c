// Operands that have the output's shape, or are a number.
alias Place = u32;
fn place(i: u32) -> Place { return i; }
fn place_a(at: Place) -> u32 { return at; }
fn place_b(at: Place) -> u32 { return at; }
fn place_c(at: Place) -> u32 { return at; }
