//! Everything in this folder is run: the harnesses here, the recipes by `run-all`.

mod docs;
mod shape;
