//! One exchange on one link: the security context, then the layer that there shall not be.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use libgssapi::{
    context::{ClientCtx, CtxFlags, SecurityContext},
    credential::{Cred, CredUsage},
    error::Error,
    name::Name,
    oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet},
};
use zk_proto::sasl::{Mechanism, SaslFailure, Step, Work};

use crate::{helper::Helper, layer};

/// More than any mechanism needs: a server that goes on for ever shall not keep us.
const ROUNDS: u32 = 16;

/// `KRB5_REALM_CANT_RESOLVE` and `KRB5_KDC_UNREACH`, as the library numbers its minor errors.
const UNREACHABLE: [i32; 2] = [-1_765_328_164, -1_765_328_228];

/// Who talks to whom.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// `service@host`.
    pub(crate) service: String,
    pub(crate) service_principal: Option<String>,
    pub(crate) principal: Option<String>,
}

/// The mechanism: it hands the server's tokens to a thread, and what the thread makes of them back.
pub(crate) struct Exchange {
    /// What the library has of the exchange. Only one step is under way at a time; the thread has it meanwhile.
    talk: Arc<Mutex<Talk>>,
    helper: Arc<Helper>,
    /// The server's token that is to be looked at next.
    token: Option<Bytes>,
}

impl Exchange {
    pub(crate) fn new(login: Login, helper: Arc<Helper>) -> Self {
        Self { talk: Arc::new(Mutex::new(Talk { login, rounds: 0, stage: Stage::Beginning })), helper, token: None }
    }
}

impl Mechanism for Exchange {
    fn step(&mut self, token: Option<Bytes>) -> Step {
        self.token = token;
        Step::Deferred
    }

    fn deferred(&mut self) -> Option<Work> {
        let (talk, token) = (self.talk.clone(), self.token.take());
        let outcome = self.helper.run(move || {
            let mut talk = talk.lock().unwrap_or_else(PoisonError::into_inner);
            talk.step(token.as_deref())
        });
        let lost = || Step::Abort(SaslFailure("GSSAPI: there is no thread for the library's calls".to_owned()));
        Some(Box::pin(async move { outcome.await.unwrap_or_else(lost) }))
    }
}

struct Talk {
    login: Login,
    rounds: u32,
    stage: Stage,
}

enum Stage {
    /// Nothing was sent yet.
    Beginning,
    /// Each side proves who it is.
    Context(ClientCtx),
    /// Both have; the server's offer of layers is due.
    Offer(ClientCtx),
    /// It has come to an end, good or bad.
    Over,
}

/// Why the exchange does not go on.
enum Trouble {
    /// The library says so; what was tried goes before that.
    Library(&'static str, Error),
    Ours(&'static str),
}

impl Talk {
    /// Takes the server's token and says what to do. Waits for key servers.
    fn step(&mut self, token: Option<&[u8]>) -> Step {
        self.rounds += 1;
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let outcome = match (stage, token) {
            (Stage::Beginning, None) => self.login.begin().and_then(|context| advance(context, None)),
            (Stage::Context(_), Some(_)) if self.rounds > ROUNDS => {
                Err(Trouble::Ours("the server does not come to an end"))
            }
            (Stage::Context(context), Some(token)) => advance(context, Some(token)),
            (Stage::Offer(context), Some(token)) => finish(context, token),
            (Stage::Beginning, Some(_)) | (Stage::Context(_) | Stage::Offer(_), None) | (Stage::Over, _) => {
                Err(Trouble::Ours("a token that is not due"))
            }
        };
        match outcome {
            Ok((step, stage)) => {
                self.stage = stage;
                step
            }
            Err(trouble) => {
                let failure = SaslFailure(format!("GSSAPI: {trouble}{}", Context(&self.login)));
                if trouble.is_passing() { Step::Abort(failure) } else { Step::Fail(failure) }
            }
        }
    }
}

impl Login {
    fn begin(&self) -> Result<ClientCtx, Trouble> {
        let target = match &self.service_principal {
            Some(principal) => Name::new(principal.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)),
            None => Name::new(self.service.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE)),
        };
        let target = target.map_err(|error| Trouble::Library("the server's principal", error))?;
        let principal = self.principal.as_ref().map(|name| Name::new(name.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)));
        let principal = principal.transpose().map_err(|error| Trouble::Library("our principal", error))?;
        let credentials = OidSet::singleton(GSS_MECH_KRB5)
            .and_then(|kerberos| Cred::acquire(principal.as_ref(), None, CredUsage::Initiate, Some(&kerberos)))
            .map_err(|error| Trouble::Library("no tickets", error))?;
        let flags = CtxFlags::GSS_C_MUTUAL_FLAG | CtxFlags::GSS_C_INTEG_FLAG | CtxFlags::GSS_C_SEQUENCE_FLAG;
        Ok(ClientCtx::new(Some(credentials), target, flags, Some(GSS_MECH_KRB5)))
    }
}

fn advance(mut context: ClientCtx, token: Option<&[u8]>) -> Result<(Step, Stage), Trouble> {
    let answer = context.step(token, None).map_err(|error| Trouble::Library("no security context", error))?;
    let is_established = context.open().unwrap_or(false);
    let answer = answer.map(|answer| Bytes::copy_from_slice(&answer));
    if !is_established {
        return match answer {
            Some(answer) => Ok((Step::Send(answer), Stage::Context(context))),
            None => Err(Trouble::Ours("the library has nothing to say, and is not done")),
        };
    }
    let is_mutual = context.flags().is_ok_and(|flags| flags.contains(CtxFlags::GSS_C_MUTUAL_FLAG));
    if !is_mutual {
        return Err(Trouble::Ours("the server did not prove who it is"));
    }
    // It is our turn in any case: an empty token lets the server go on.
    Ok((Step::Send(answer.unwrap_or_default()), Stage::Offer(context)))
}

fn finish(mut context: ClientCtx, token: &[u8]) -> Result<(Step, Stage), Trouble> {
    let offer = context.unwrap(token).map_err(|error| Trouble::Library("the offer of security layers", error))?;
    let choice = layer::choose(&offer).map_err(Trouble::Ours)?;
    let wrapped = context.wrap(false, &choice).map_err(|error| Trouble::Library("the choice of a layer", error))?;
    // The server ends with a null token.
    Ok((Step::SendLast(Bytes::copy_from_slice(&wrapped)), Stage::Over))
}

impl Trouble {
    /// Returns whether it may be over by itself.
    fn is_passing(&self) -> bool {
        match self {
            Self::Library(_, error) => UNREACHABLE.iter().any(|code| *code as u32 == error.minor),
            Self::Ours(_) => false,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(what, error) => write!(f, "{what}: {error}"),
            Self::Ours(what) => f.write_str(what),
        }
    }
}

/// Who talks to whom, for the end of a message.
struct Context<'a>(&'a Login);

impl fmt::Display for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Login { service, service_principal, principal } = self.0;
        write!(f, " (as {}", principal.as_deref().unwrap_or("the default principal"))?;
        write!(f, ", with {})", service_principal.as_deref().unwrap_or(service))
    }
}
