using Grpc.Core;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;
using Linformer.Protocol;

namespace Linformer.Coordinator.Services.Guard;

/// <summary>Makes a status of what a call threw.</summary>
internal static class CallErrors
{
    /// <summary>The status, and whether it is the coordinator's own fault, to be logged as an error.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="cancelled">Whether the caller has gone or its deadline has passed.</param>
    /// <param name="stopping">Whether the coordinator stops.</param>
    public static (RpcException Error, bool Own) Map(Exception exception, bool cancelled, bool stopping)
    {
        return exception switch
        {
            RpcException rpc => (rpc, false),
            JobFileException file => (Refusal.Invalid(file.Message), false),
            JobChangeException change => (Refusal.Precondition(change.Message), false),
            IdempotencyConflictException conflict => (new RpcException(new Status(StatusCode.AlreadyExists, conflict.Message)), false),
            TooManyJobsException many => (Refusal.Exhausted(many.Message), false),
            WorkerRefusedException refused => (new RpcException(new Status(StatusCode.AlreadyExists, refused.Message)), false),
            // Their messages name the database's path or address, which is none of the caller's business.
            DatabaseUnreachableException => (Refusal.Unavailable("The coordinator's database does not answer at the moment; the coordinator's log tells more. Try again."), true),
            StorageException => (Refusal.Unavailable("The coordinator's database cannot do it at the moment; the coordinator's log tells more. Try again."), true),
            // Orleans wraps what a storage provider throws, and what was thrown on another silo.
            OrleansException { InnerException: { } inner } => Map(inner, cancelled, stopping),
            // Only now: what was refused is told as such in the audit log, whether or not the caller waits for it.
            _ when cancelled => (new RpcException(new Status(StatusCode.Cancelled, "The call was cancelled.")), false),
            _ when stopping => (Refusal.Unavailable("The coordinator is stopping."), false),
            TimeoutException => (Refusal.Unavailable("The coordinator did not get to it in time; try again."), true),
            OrleansException => (Refusal.Unavailable("The coordinator cannot answer at the moment; try again."), true),
            _ => (new RpcException(new Status(StatusCode.Internal, $"The coordinator failed ({exception.GetType().Name}); its log tells more.")), true),
        };
    }
}
