// Operands that are broadcast: a stride of 0 repeats an axis. The host collapses axes; the outermost one is axis 0, the
// others fill the end, so that the innermost is always axis 5.
const AXES: u32 = 6u; // spec
struct Place { a: u32, b: u32, c: u32 }

fn place(i: u32) -> Place {
  var at = Place(0u, 0u, 0u);
  var rest = i;
  if (AXES > 1u) {
    let next = divide(rest, params.size5);
    let k = rest - next * params.size5;
    at.a += k * params.a5;
    at.b += k * params.b5;
    at.c += k * params.c5;
    rest = next;
  }
  if (AXES > 2u) {
    let next = divide(rest, params.size4);
    let k = rest - next * params.size4;
    at.a += k * params.a4;
    at.b += k * params.b4;
    at.c += k * params.c4;
    rest = next;
  }
  if (AXES > 3u) {
    let next = divide(rest, params.size3);
    let k = rest - next * params.size3;
    at.a += k * params.a3;
    at.b += k * params.b3;
    at.c += k * params.c3;
    rest = next;
  }
  if (AXES > 4u) {
    let next = divide(rest, params.size2);
    let k = rest - next * params.size2;
    at.a += k * params.a2;
    at.b += k * params.b2;
    at.c += k * params.c2;
    rest = next;
  }
  if (AXES > 5u) {
    let next = divide(rest, params.size1);
    let k = rest - next * params.size1;
    at.a += k * params.a1;
    at.b += k * params.b1;
    at.c += k * params.c1;
    rest = next;
  }
  at.a += rest * params.a0;
  at.b += rest * params.b0;
  at.c += rest * params.c0;
  return at;
}
fn place_a(at: Place) -> u32 { return at.a; }
fn place_b(at: Place) -> u32 { return at.b; }
fn place_c(at: Place) -> u32 { return at.c; }
