//! Model clients over HTTP: what they send, what they understand, what they do when the world is bad.

mod anthropic;
mod exchanges;
mod fault_table;
mod faults;
mod gemini;
mod odd_streams;
mod openai_chat;
mod openai_responses;
mod schemas;
mod shape;
mod streams;
mod stub;
mod talk;
