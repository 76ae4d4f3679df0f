namespace Linformer.Coordinator.Storage;

/// <summary>Where things that happen are told. Telling waits for nothing and never fails: what cannot be recorded is in the log.</summary>
public interface IEventLog
{
    /// <summary>Tells of something that has just happened.</summary>
    void Note(EventRow row);
}
