// Operands that have the output's shape, or are a number.
alias Place = u32;
fn walk(span: Span) {
  for (var i = span.first; i < params.rows * params.size5; i += span.stride) { element(i, i); }
}
fn place_a(at: Place) -> u32 { return at; }
fn place_b(at: Place) -> u32 { return at; }
fn place_c(at: Place) -> u32 { return at; }
