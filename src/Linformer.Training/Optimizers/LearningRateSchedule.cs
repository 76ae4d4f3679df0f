namespace Linformer.Training.Optimizers;

/// <summary>How the learning rate falls after the warm-up.</summary>
public enum ScheduleShape
{
    /// <summary>In a straight line to zero.</summary>
    Linear,

    /// <summary>Along half a cosine to zero.</summary>
    Cosine,

    /// <summary>Not at all.</summary>
    Constant,
}

/// <summary>The learning rate as a function of the step: a linear warm-up, then <paramref name="Shape"/>.</summary>
/// <param name="Shape">What follows the warm-up.</param>
/// <param name="Peak">The learning rate at the end of the warm-up.</param>
/// <param name="WarmupSteps">Steps of the warm-up; 0 for none.</param>
/// <param name="Steps">Steps of the whole job.</param>
public sealed record LearningRateSchedule(ScheduleShape Shape, double Peak, long WarmupSteps, long Steps)
{
    /// <summary>The learning rate of a step.</summary>
    /// <param name="step">The step, from 0.</param>
    public double At(long step)
    {
        if (step < WarmupSteps)
        {
            return Peak * (step + 1) / WarmupSteps;
        }

        var progress = (double)(step - WarmupSteps) / Math.Max(1, Steps - WarmupSteps);
        return Shape switch
        {
            ScheduleShape.Linear => Peak * Math.Max(0, 1 - progress),
            ScheduleShape.Cosine => Peak * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, progress))),
            _ => Peak,
        };
    }
}
