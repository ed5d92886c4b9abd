//! What is said is what is: nothing is taken for done because one answer leaves it out, and what is
//! verified is how things are now.

mod absent;
mod found;
mod left_out;
mod place;
mod proved;
