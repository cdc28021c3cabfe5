//! What an attacker tried and may not get: one file for each way.

mod audit;
mod budget;
mod endpoint;
mod escalation;
mod race;
